"""A page of terminal text: its width, its colours, and paragraphs that keep within it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from weighbridge.show.style import Paint
from weighbridge.show.width import display_width, pad, truncate, wrap
from weighbridge.words import say

LEAST, MOST = 60, 100
INDENT = "  "


@dataclass(frozen=True, slots=True)
class Page:
    """Lines of at most ``width`` cells, painted by ``paint``."""

    width: int
    paint: Paint

    @property
    def inner(self) -> int:
        """Cells between the indent and the right edge."""
        return self.width - len(INDENT)

    def indented(self, text: str) -> str:
        """Every line of ``text`` behind the indent."""
        return "\n".join(INDENT + line if line else line for line in text.split("\n"))

    def paragraph(self, text: str, first: str = INDENT, style: str = "") -> str:
        """``text`` wrapped behind ``first``, further lines under where it began."""
        start = display_width(first)
        lines = wrap(say(text), self.width - start) or [""]
        if style:
            lines = [self.paint(line, style) for line in lines]
        return "\n".join((first if n == 0 else " " * start) + line for n, line in enumerate(lines))

    def fields(self, pairs: list[tuple[str, str]], indent: str = INDENT) -> str:
        """Names in a column, cut where they are long, and what they stand for wrapped beside."""
        most = self.width // 3
        pairs = [(say(name), say(text)) for name, text in pairs]
        names = min(max((display_width(name) for name, _ in pairs), default=0), most)
        start = " " * (len(indent) + names + 2)
        lines = []
        for name, text in pairs:
            head = indent + self.paint(pad(truncate(name, names), names), "faint") + "  "
            body = wrap(text, self.width - len(start)) or [""]
            lines += [head + body[0], *(start + line for line in body[1:])]
        return "\n".join(lines)

    def bullets(self, title: str, items: list[str]) -> str:
        """A list under its title; nothing where there are no items."""
        if not items:
            return ""
        lines = [INDENT + self.paint(say(title), "strong")]
        lines += [self.paragraph(item, INDENT + "- ") for item in items]
        return "\n".join(lines)


def page_width(width: int | None) -> int:
    """The width asked for, or the terminal's up to 100 columns; never under 60."""
    return max(LEAST, min(_terminal_columns(), MOST) if width is None else width)


def _terminal_columns() -> int:
    given = os.environ.get("COLUMNS", "")
    if given.isascii() and given.isdigit() and int(given[:6]) > 0:
        return int(given[:6])
    try:
        return os.get_terminal_size(sys.__stdout__.fileno() if sys.__stdout__ else 1).columns
    except (OSError, ValueError, AttributeError):
        return MOST
