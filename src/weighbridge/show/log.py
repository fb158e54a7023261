"""An engine's log as a person reads it: what was observed, what was predicted, what to change."""

from __future__ import annotations

from weighbridge.measure.compare import Beside, Comparison
from weighbridge.measure.observation import HOST, Failure, Observation
from weighbridge.show.labels import label
from weighbridge.show.tables import table
from weighbridge.show.width import clean
from weighbridge.units import format_bytes
from weighbridge.words import say


def log_to_text(seen: Observation, beside: Comparison) -> str:
    """The observation, its comparison, and its failures with what would help."""
    blocks = [_head(seen), _terms(seen, beside), _room(seen, beside)]
    blocks += [_failure(each) for each in seen.failures]
    if beside.why:
        blocks.append(say(("" if beside.plan else "not compared: ") + clean(beside.why)))
    return "\n\n".join(block for block in blocks if block)


def _head(seen: Observation) -> str:
    version = f" {seen.version}" if seen.version else ""
    lines = [clean(f"{seen.engine}{version}" + (f" · {seen.model}" if seen.model else ""))]
    if seen.cards:
        lines.append(clean(", ".join(seen.cards)))
    if seen.settings:
        lines.append(clean(", ".join(f"{k} = {v}" for k, v in seen.settings.items())))
    return "\n".join(lines)


def _terms(seen: Observation, beside: Comparison) -> str:
    if not seen.terms:
        return ""
    known = {(row.name, row.device): row for row in beside.rows}
    shown: set[tuple[str, int]] = set()
    rows = []
    for term in seen.terms:
        key = (term.name, term.device)
        row = known.get(key) if key not in shown else None
        shown.add(key)
        where = "host" if term.device == HOST else f"device {term.device}"
        rows.append((where, label(term.name), format_bytes(term.bytes), *_predicted(row)))
    header = ("", "", "observed", "predicted", "difference", "bounds")
    return table(header, rows, "llrrrl")


def _predicted(row: Beside | None) -> tuple[str, str, str]:
    if row is None:
        return "", "", ""
    bounds = f"{format_bytes(row.low)}–{format_bytes(row.high)}"
    mark = "" if row.within else " ✗"
    return format_bytes(row.predicted), f"{row.difference:+.1%}", bounds + mark


def _room(seen: Observation, beside: Comparison) -> str:
    parts = []
    if seen.tokens is not None:
        parts.append(f"{seen.tokens:,} tokens of cache")
    if seen.concurrency is not None:
        parts.append(f"{seen.concurrency:.2f} sequences of {seen.length or 0:,} tokens")
    plan = beside.plan
    if parts and plan is not None and plan.capacity.tokens is not None:
        parts.append(f"predicted {plan.capacity.tokens:,} tokens")
    return say("room: " + ", ".join(parts)) if parts else ""


def _failure(failure: Failure) -> str:
    what = say(clean(failure.what))
    if failure.missing:
        what += ": " + say(f"{format_bytes(failure.missing)} short")
    return "\n".join([f"✗ {what}", *(f"  - {say(clean(each))}" for each in failure.advice)])
