"""A fit as text: how far the machine goes, the frontier, and what would move it."""

from __future__ import annotations

from weighbridge.search.fit import Fit, Lever, Reach
from weighbridge.show.tables import table
from weighbridge.show.width import pad
from weighbridge.units import format_bytes
from weighbridge.words import say

NAMES = {"max_model_len": "context", "concurrency": "users"}


def fit_to_text(found: Fit) -> str:
    """The answers as a person reads them."""
    on = found.request.deployment.on
    blocks = [
        say(f"{found.model.id} on {on}, {found.request.deployment.engine}"),
        "\n".join([*_reach("longest context", found.context, _users(found)),
                   *_reach("most users", found.users, _context(found)),
                   _format(found)]),
    ]  # fmt: skip
    if found.frontier:
        rows = [(f"{context:,}", f"{users:,}") for context, users in found.frontier]
        blocks.append(table(("context", "most users"), rows, "rr"))
    if found.levers:
        moved = [(_flags(lever), f"{lever.before:,} → {lever.after:,}", lever.why)
                for lever in found.levers]  # fmt: skip
        blocks.append(table(("to move the longest context", "tokens", "because"), moved, "lrl"))
    return "\n\n".join(blocks)


def _users(found: Fit) -> str:
    return f"for {found.request.workload.concurrency:,} at once"


def _context(found: Fit) -> str:
    plan = found.users.plan
    return "" if plan is None else f"at {plan.context:,} tokens"


def _reach(name: str, reach: Reach, under: str) -> list[str]:
    if reach.plan is None:
        return [_line(name, f"none: {reach.binding}")]
    held = format_bytes(max(device.total for device in reach.plan.devices))
    return [
        _line(name, f"{reach.value:,} {under}, {held} on the fullest device"),
        _line("", f"one more: {reach.binding}"),
    ]


def _format(found: Fit) -> str:
    if found.format is None:
        return _line("best format", "none fits")
    weights = format_bytes(found.format.term("weights"))
    return _line(
        "best format",
        f"{found.format.settings['weights']} ({weights} of weights); what a "
        "format costs in quality is not weighed here",
    )


def _line(name: str, text: str) -> str:
    return f"{pad(say(name), 16)} {say(text)}"


def _flags(lever: Lever) -> str:
    parts = []
    for name, value in lever.changes.items():
        flag = "--" + name.replace("_", "-")
        parts.append(flag if value is True else f"{flag} {value}")
    return " ".join(parts)
