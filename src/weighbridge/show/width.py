"""How many terminal cells a text takes, and texts made safe and made to fit.

Chinese, Japanese and Korean characters and emoji take two cells, combining marks none, all else
one (characters of ambiguous width are taken as narrow, as terminals do outside East Asia).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

Align = Literal["left", "right"]

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x80-\x9f]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]"
)
_SPACES = (0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x85, 0x2028, 0x2029)
_BIDI = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_INVISIBLE = (
    0xAD,
    0x034F,
    0x180E,
    0x200B,
    *range(0x2060, 0x2066),
    *range(0x206A, 0x2070),
    0xFEFF,
    *range(0xFFF9, 0xFFFC),
    0xFFFE,
    0xFFFF,
    *range(0xE0000, 0xE0080),
)
_UNSAFE: dict[int, str | None] = {
    **dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), *_BIDI, *_INVISIBLE)),
    **dict.fromkeys(_SPACES, " "),
}
_SURROGATES = re.compile("[\ud800-\udfff]")
_JOINER, _EMOJI_SELECTOR = "\u200d", "\ufe0f"


def clean(text: str) -> str:
    """``text`` without what could command a terminal or reorder a line; breaks become spaces.

    Escape sequences, control characters, bidirectional controls and invisible characters go;
    the joiners that Persian and emoji need stay.

    >>> clean("evil\\x1b[31m\\x07 name")
    'evil name'
    """
    if text.isascii() and text.isprintable():
        return text
    text = _ESCAPES.sub("", text).translate(_UNSAFE)
    return _SURROGATES.sub("\ufffd", text)


def display_width(text: str) -> int:
    """Terminal cells that ``text`` takes; control characters take none.

    >>> display_width("模型"), display_width("e\\u0301"), display_width("🦙")
    (4, 1, 2)
    """
    if text.isascii() and text.isprintable():
        return len(text)
    return sum(cells for _, cells in clusters(text))


def clusters(text: str) -> Iterator[tuple[str, int]]:
    """Characters with what combines with them, each with its cells."""
    held, cells, joined = "", 0, False
    for character in text:
        own = _cells(character)
        if character == _EMOJI_SELECTOR and cells == 1 and not held.startswith(" "):
            held, cells = held + character, 2
        elif held and (own == 0 or (own == 2 and cells == 2 and (joined or _is_tone(character)))):
            held += character
        else:
            if held:
                yield held, cells
            held, cells = character, own
        joined = character == _JOINER
    if held:
        yield held, cells


def _is_tone(character: str) -> bool:
    return "\U0001f3fb" <= character <= "\U0001f3ff"


def _cells(character: str) -> int:
    code = ord(character)
    if 0x20 <= code < 0x7F or 0xA0 <= code < 0x300 or 0x2500 <= code < 0x25A0:
        return 1
    if code < 0xA0 or 0x1160 <= code < 0x1200 or 0xD7B0 <= code < 0xD800:
        return 0
    from unicodedata import category, combining, east_asian_width

    if combining(character) or category(character) in {"Mn", "Me", "Cf", "Cs", "Zl", "Zp"}:
        return 0
    return 2 if east_asian_width(character) in {"W", "F"} else 1


def truncate(text: str, width: int, mark: str = "…") -> str:
    """``text`` cut to at most ``width`` cells, with ``mark`` where something was cut."""
    if display_width(text) <= width:
        return text
    room = width - display_width(mark)
    if room < 0:
        return mark[:width]
    kept = ""
    for cluster, cells in clusters(text):
        room -= cells
        if room < 0:
            break
        kept += cluster
    return kept + mark


def pad(text: str, width: int, align: Align = "left") -> str:
    """``text`` filled with spaces to ``width`` cells."""
    fill = " " * max(width - display_width(text), 0)
    return fill + text if align == "right" else text + fill


def wrap(text: str, width: int) -> list[str]:
    """``text`` in lines of at most ``width`` cells, broken at spaces where there are any.

    A single character wider than ``width`` still gets a line of its own.
    """
    lines: list[str] = []
    line, used = "", 0
    for word in text.split():
        cells = display_width(word)
        if line and used + 1 + cells <= width:
            line, used = f"{line} {word}", used + 1 + cells
            continue
        if line:
            lines.append(line)
        *full, line = _broken(word, width) if cells > width else [word]
        lines += full
        used = display_width(line)
    return [*lines, line] if line else lines


def _broken(word: str, width: int) -> list[str]:
    pieces, piece, used = [], "", 0
    for cluster, cells in clusters(word):
        if piece and used + cells > width:
            pieces.append(piece)
            piece, used = "", 0
        piece, used = piece + cluster, used + cells
    return [*pieces, piece]
