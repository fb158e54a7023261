"""An answer about speed for the terminal: where the time goes, and what levers would do."""

from __future__ import annotations

from weighbridge.show.tables import table
from weighbridge.show.width import pad
from weighbridge.speed.ask import Answer, bound_by
from weighbridge.speed.step import Split
from weighbridge.speed.whatif import Outcome
from weighbridge.units import format_bytes
from weighbridge.words import say

PARTS = {
    "weights": "moving weights",
    "cache": "moving cache and state",
    "compute": "computing beyond that",
    "communicate": "communicating",
    "launches": "launches and small kernels",
    "interference": "prompts of others",
    "offload": "layers that are elsewhere",
}


def speed_to_text(found: Answer) -> str:
    """Decode and prefill, where their time goes, and what was assumed."""
    subject, pace, load = found.subject, found.pace, found.setting.load
    cards = len(subject.cards)
    where = subject.card.name if cards == 1 else f"{cards} × {subject.card.name}"
    token, low, high = _bounded(float(pace.decode.seconds), found.fitted.low, found.fitted.high)
    first, least, most = _bounded(
        float(pace.first), found.fitted.first_low, found.fitted.first_high
    )
    lines = [
        say(
            f"{subject.model.id} in {subject.storage.name} on {where}, {subject.engine}, "
            f"{load.sequences:,} at once, {load.input:,} tokens in, {load.output:,} out"
        ),
        "",
        _line(
            "per token",
            f"{token}  ({low} to {high}), {1 / float(pace.decode.seconds):,.1f} tokens/s "
            f"per user, {float(load.sequences) / float(pace.decode.seconds):,.0f} in all",
        ),
        _line(
            "first token",
            f"{first}  ({least} to {most}); {_ms(float(pace.alone))} where nobody else is "
            "served; waiting in a queue is not in it",
        ),
        "",
        table(("where the time goes", "decode", "", "prefill", ""), _parts(found), "lrrrr"),
        "",
        say(_why(found)),
    ]
    lines += [say(f"assumed: {note}") for note in found.notes]
    lines.append(
        say(f"constants fitted on {found.fitted.rows:,} runs; bounds hold 90 % of left-out ones")
    )
    return "\n".join(lines)


def _line(name: str, text: str) -> str:
    return f"{pad(say(name), 11)} {say(text)}"


def _bounded(value: float, low: float, high: float) -> tuple[str, str, str]:
    return _ms(value), _ms(value * low), _ms(value * high)


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:,.2f} ms" if seconds < 1 else f"{seconds:,.2f} s"


def _parts(found: Answer) -> list[tuple[str, ...]]:
    rows = []
    for name, title in PARTS.items():
        cells = [title]
        for split in (found.pace.decode, found.pace.prefill):
            value = float(getattr(split, name))
            cells += [_ms(value), f"{value / float(split.seconds):.0%}"]
        if any(cell not in {"0%", "0.00 ms"} for cell in cells[1:]):
            rows.append(tuple(cells))
    return rows


def _why(found: Answer) -> str:
    decode: Split = found.pace.decode
    wait = float(decode.memory_wait_fraction)
    side = "below" if found.intensity < found.ridge else "above"
    return (
        f"decode is bound by {bound_by(decode)}, prefill by {bound_by(found.pace.prefill)}; "
        f"arithmetic waits for memory {wait:.0%} of a step: {found.intensity:,.1f} operations per "
        f"byte, {side} the {found.ridge:,.0f} at which the card computes as fast as it reads"
    )


def what_if_rows(outcomes: list[Outcome]) -> list[tuple[str, ...]]:
    """The table of levers: memory per device, first token, each token, and how much faster."""
    base = outcomes[0]
    return [
        (
            row.lever,
            row.value,
            format_bytes(row.memory),
            _ms(row.first),
            _ms(row.token),
            "" if row is base else f"{base.token / row.token:.2f}×",
            f"{row.tokens_per_second:,.0f}",
        )
        for row in outcomes
    ]


def what_if_to_text(outcomes: list[Outcome]) -> str:
    """The table, then what each lever assumes and where it ends."""
    header = ("lever", "to", "memory/device", "first token", "per token", "faster", "tokens/s")
    notes = dict.fromkeys((row.lever, row.assumes, row.limit) for row in outcomes[1:])
    lines = [say(f"{lever}: assumes {assumes}; limit: {limit}") for lever, assumes, limit in notes]
    return "\n".join([table(header, what_if_rows(outcomes), "llrrrrr"), "", *lines])
