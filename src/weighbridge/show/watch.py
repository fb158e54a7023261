"""A look at a process or a server as a table."""

from __future__ import annotations

from collections.abc import Sequence

from weighbridge.measure.watch.sight import Line
from weighbridge.planner import Plan
from weighbridge.show.tables import table
from weighbridge.show.width import clean
from weighbridge.units import format_bytes

HEADER = ("", "seen", "predicted", "difference", "bounds")


def watch_to_text(lines: Sequence[Line], plan: Plan | None, title: str, why: str = "") -> str:
    """The figures, and what they are compared with."""
    blocks = [clean(title), table(HEADER, [_cells(line) for line in lines], "lrrrl")]
    if plan is not None:
        where = "" if plan.machine is None else f" on {plan.machine.name}"
        blocks.append(clean(f"predicted: {plan.model.id}, {plan.engine}{where}"))
    if why:
        blocks.append(clean(f"not compared: {why}"))
    return "\n\n".join(blocks)


def _cells(line: Line) -> tuple[str, ...]:
    apart = bounds = ""
    if line.predicted:
        apart = f"{line.predicted / line.seen - 1:+.1%}" if line.seen else ""
    if line.low is not None and line.high is not None:
        mark = " ✗ more than was planned" if line.over else ""
        bounds = f"{amount(line.low, line.unit)}–{amount(line.high, line.unit)}{mark}"
    predicted = "" if line.predicted is None else amount(line.predicted, line.unit)
    return line.name, amount(line.seen, line.unit), predicted, apart, bounds


def amount(value: float, unit: str) -> str:
    """A figure with its unit."""
    if unit == "bytes":
        return format_bytes(round(value))
    if unit == "share":
        return f"{value:.1%}"
    return f"{value:,.0f}" + ("" if unit == "count" else f" {unit}")
