"""The report of accuracy as tables: on a terminal, and as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from weighbridge.measure.accuracy.figure import Figure
from weighbridge.measure.accuracy.peers import Peer
from weighbridge.measure.accuracy.report import KEYS, Group, Report
from weighbridge.show.tables import markdown_table, table
from weighbridge.units import format_bytes

HEADER = ("rows", "median error", "90 % within", "worst", "bias", "exact", "bounds hold")
ALIGN = "lrrrrrrr"
Table = Callable[[Sequence[str], Sequence[Sequence[str]], str], str]


def report_to_text(report: Report, by: Sequence[str] = ("quantity",), worst: int = 10) -> str:
    """What a terminal shows."""
    blocks = [_grouped(report, name, table) for name in by]
    blocks += _rest(report, worst, table, "the worst rows", "others, on the same rows")
    return "\n\n".join(blocks)


def report_to_markdown(report: Report, by: Sequence[str] = tuple(KEYS), worst: int = 20) -> str:
    """The whole report as Markdown."""
    blocks = ["# Accuracy: predicted against measured"]
    for name in by:
        blocks += [f"## By {name}", _grouped(report, name, markdown_table)]
    rest = _rest(report, worst, markdown_table, "## The worst rows", "## Others, on the same rows")
    return "\n\n".join([*blocks, *rest])


def _grouped(report: Report, by: str, draw: Table) -> str:
    return draw((by, *HEADER), [group_line(group) for group in report.groups(by)], ALIGN)


def group_line(group: Group) -> tuple[str, ...]:
    """A group as cells."""
    return (
        group.name,
        f"{group.rows:,}",
        f"{group.median:.2%}",
        f"{group.ninetieth:.2%}",
        f"{group.worst:.1%}",
        f"{group.bias:+.2%}",
        f"{group.exact:.0%}",
        "" if group.covered is None else f"{group.covered:.1%}",
    )


def _rest(report: Report, worst: int, draw: Table, first: str, second: str) -> list[str]:
    blocks = []
    if worst and report.figures:
        header = ("row", "engine", "quantity", "measured", "predicted", "error", "in bounds")
        lines = [_row(figure) for figure in report.worst(worst)]
        blocks += [first, draw(header, lines, "lllrrrl")]
    if report.peers:
        header = ("who", "quantity", "rows", "their median error", "worst", "ours", "worst")
        blocks += [second, draw(header, _peers(report.peers), "llrrrrr")]
    return blocks


def amount(value: float, unit: str) -> str:
    """A quantity with its unit."""
    if unit == "bytes":
        return format_bytes(round(value))
    if unit == "s":
        return f"{value * 1e3:,.2f} ms"
    return f"{value:,.6g}" if unit in {"count", "share"} else f"{value:,.0f} {unit}"


def _row(figure: Figure) -> tuple[str, ...]:
    held = {True: "yes", False: "no", None: ""}[figure.covered]
    return (
        figure.id, figure.engine, figure.quantity, amount(figure.measured, figure.unit),
        amount(figure.predicted, figure.unit), f"{figure.error:+.1%}", held,
    )  # fmt: skip


def _peers(peers: Sequence[Peer]) -> list[tuple[str, ...]]:
    groups: dict[tuple[str, str], list[Peer]] = {}
    for peer in peers:
        groups.setdefault((peer.peer, peer.quantity), []).append(peer)
    lines: list[tuple[str, ...]] = []
    for (name, quantity), mine in sorted(groups.items()):
        theirs = [abs(each.theirs / each.true - 1) for each in mine]
        ours = [abs(each.ours / each.true - 1) for each in mine]
        lines.append((
            name, quantity, f"{len(mine)}", f"{statistics.median(theirs):.1%}",
            f"{max(theirs):.1%}", f"{statistics.median(ours):.1%}", f"{max(ours):.1%}",
        ))  # fmt: skip
    return lines
