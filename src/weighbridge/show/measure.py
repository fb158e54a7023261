"""A measured point as text: what was seen beside what was predicted."""

from __future__ import annotations

from weighbridge.measure.beside import Measured, Row
from weighbridge.measure.record import Quantity
from weighbridge.show.tables import table
from weighbridge.units import format_bytes


def record_to_text(found: Measured) -> str:
    """The point, the table of predicted against measured, times, and notes."""
    record = found.record
    asked = " ".join(f"{name}={value}" for name, value in record.point.items())
    where = record.machine.get("card") or record.machine["host"]["cpu"] or "this processor"
    blocks = [f"{asked}\non {where} ({record.machine['device']}), {record.repeats} repeats"]
    if record.failed is not None:
        blocks.append(f"failed: {record.failed['what']}: {record.failed['message']}")
        return "\n\n".join(blocks)
    if found.rows:
        blocks.append(rows_to_text(found.rows))
    blocks.append(_quantities(found))
    if found.speeds:
        blocks.append(speeds_to_text(found.speeds))
    blocks += [f"note: {note}" for note in record.notes]
    return "\n\n".join(blocks)


def rows_to_text(rows: tuple[Row, ...]) -> str:
    """Predicted against measured, a figure to a line."""
    header = ("phase", "what", "measured", "predicted", "error", "within bounds")
    lines = [
        (row.phase, row.name.replace("_", " "), format_bytes(row.measured),
         format_bytes(row.predicted), f"{row.error:+.1%}", "yes" if row.within else "NO")
        for row in rows
    ]  # fmt: skip
    return table(header, lines, "llrrrl")


def speeds_to_text(speeds: tuple[tuple[str, float, float], ...]) -> str:
    """Seconds measured against the floor."""
    header = ("phase", "measured", "floor predicted", "times the floor")
    lines = [(phase, f"{seen:.4g} s", f"{floor:.4g} s", f"{seen / floor:.1f}")
             for phase, seen, floor in speeds]  # fmt: skip
    return table(header, lines, "lrrr")


def _quantities(found: Measured) -> str:
    header = ("phase", "seen", "median", "spread")
    lines = [(each.phase, each.name.replace("_", " "), _shown(each), f"{each.spread:.1%}")
             for each in found.record.quantities]  # fmt: skip
    return table(header, lines, "llrr")


def _shown(each: Quantity) -> str:
    if each.unit == "bytes":
        return format_bytes(int(each.median))
    if each.unit in {"FLOP/s", "bytes/s"}:
        return f"{each.median / 1e9:,.4g} G{each.unit}"
    return f"{each.median:.4g} {each.unit}"
