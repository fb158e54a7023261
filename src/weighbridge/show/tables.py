"""Tables for the terminal and for Markdown, from the same rows.

>>> print(table(("card", "GiB"), [("rtx-4090", "23.52"), ("h100-sxm", "79.18")], "lr"))
card        GiB
rtx-4090  23.52
h100-sxm  79.18
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from weighbridge.show.width import Align, display_width, pad, truncate, wrap
from weighbridge.words import language, say

Row = Sequence[str]
Touch = Callable[[int, int, str], str]

RULE: Row = ()
HEADER = -1
_GAP = 2
_LEAST = 6


def table(
    header: Row,
    rows: Sequence[Row],
    align: str = "",
    width: int | None = None,
    *,
    touch: Touch | None = None,
) -> str:
    """Columns by display width, numbers to the right, within ``width`` cells.

    ``align`` has ``l`` or ``r`` per column (left where it ends); ``RULE`` among the rows draws a
    line; ``touch(row, column, text)`` may colour a padded cell, with ``HEADER`` as the header's
    row. Where there is too little room, texts are cut, never numbers; where even that is not
    enough, each row becomes a list of its cells.
    """
    sides = _sides(header, align)
    header, rows = _said(header, rows)
    widths = _fitted(header, rows, sides, width)
    if widths is None:
        return _records(header, rows, width or 0)
    paint = touch or _untouched
    lines = [_line(header, widths, sides, HEADER, paint)] if any(header) else []
    for number, row in enumerate(rows):
        if len(row) == 0:
            lines.append("─" * (sum(widths) + _GAP * (len(widths) - 1)))
        else:
            lines.append(_line(row, widths, sides, number, paint))
    return "\n".join(lines)


def _said(header: Row, rows: Sequence[Row]) -> tuple[Row, Sequence[Row]]:
    """The cells in the reader's language."""
    if language() == "en":
        return header, rows
    return tuple(map(say, header)), [tuple(map(say, row)) for row in rows]


def _untouched(row: int, column: int, text: str) -> str:  # noqa: ARG001
    return text


def _sides(header: Row, align: str) -> list[Align]:
    letters = align.ljust(len(header), "l")
    return ["right" if letter == "r" else "left" for letter in letters]


def _line(row: Row, widths: list[int], sides: list[Align], number: int, paint: Touch) -> str:
    cells = []
    for column, width in enumerate(widths):
        text = truncate(row[column], width) if column < len(row) else ""
        cells.append(paint(number, column, pad(text, width, sides[column])))
    return (" " * _GAP).join(cells).rstrip()


def _fitted(
    header: Row, rows: Sequence[Row], sides: list[Align], width: int | None
) -> list[int] | None:
    """Column widths within ``width``; None where numbers alone would not fit."""
    body = [_widest(rows, column) for column in range(len(header))]
    widths = [max(display_width(name), cells) for name, cells in zip(header, body, strict=True)]
    if width is None:
        return widths
    least = [
        max(cells, 1) if side == "right" else min(whole, _LEAST)
        for cells, whole, side in zip(body, widths, sides, strict=True)
    ]
    room = width - _GAP * (len(widths) - 1)
    if sum(least) > room:
        return None
    widths = [min(whole, width) for whole in widths]
    while sum(widths) > room:
        widths[_loosest(widths, least)] -= 1
    return widths


def _loosest(widths: list[int], least: list[int]) -> int:
    """The column to narrow by a cell: the widest of those whose texts or header may be cut."""
    loose = [column for column, whole in enumerate(widths) if whole > least[column]]
    return max(loose, key=lambda column: widths[column])


def _widest(rows: Sequence[Row], column: int) -> int:
    return max((display_width(row[column]) for row in rows if column < len(row)), default=0)


def _records(header: Row, rows: Sequence[Row], width: int) -> str:
    """Each row as lines of ``name: cell``, for where a table would not fit."""
    blocks = []
    for row in rows:
        pairs = [
            f"{name}: {cell}" if name else cell
            for name, cell in zip(header, row, strict=False)
            if cell
        ]
        lines = [line for pair in pairs for line in wrap(pair, max(width, 1))]
        blocks += ["\n".join(lines)] if lines else []
    return "\n\n".join(blocks)


def markdown_table(header: Row, rows: Sequence[Row], align: str = "") -> str:
    """The same rows as a Markdown table; every cell is escaped, rules are left out."""
    sides = _sides(header, align)
    header, rows = _said(header, rows)
    lines = [
        _markdown_line([escape_markdown(name) for name in header]),
        _markdown_line(["---:" if side == "right" else "---" for side in sides]),
    ]
    for row in rows:
        if len(row) > 0:
            cells = [escape_markdown(cell) for cell in row]
            lines.append(_markdown_line([*cells, *[""] * (len(header) - len(row))]))
    return "\n".join(lines)


def _markdown_line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as it is: no markup, no link, no HTML, no new cell."""
    from weighbridge.show.width import clean

    text = clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for character in "\\`*[]|$":
        text = text.replace(character, "\\" + character)
    return text
