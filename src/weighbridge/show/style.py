"""Colours where they are wanted, and plain characters where a stream has no others."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import TextIO

from weighbridge.show.labels import FREE, LIMIT, LIMIT_LETTER, LOOKS
from weighbridge.words import say_lines

Paint = Callable[[str, str], str]

_CODES = {
    "strong": "1",
    "faint": "2",
    "good": "1;32",
    "warn": "1;33",
    "bad": "1;31",
    "hint": "36",
}
_ASCII = {
    **{each.glyph: each.letter for each in (*LOOKS.values(), FREE)},
    **{LIMIT: LIMIT_LETTER, "▄": "?", "✓": "+", "✗": "x", "○": "o", "↑": "^", "…": "~"},
    **{"×": "x", "─": "-", "–": "-", "—": "-", "−": "-", "→": ">", "Σ": "S", "√": "v"},
    **{"≤": "<", "≥": ">", "≈": "~", "’": "'", "‘": "'", "“": '"', "”": '"', "⌈": "[", "⌉": "]"},
}


def wants_colour(stream: TextIO, environ: Mapping[str, str] | None = None) -> bool:
    """Whether to colour what goes to ``stream``.

    ``NO_COLOR`` (any value but the empty one) says no, then ``FORCE_COLOR`` or
    ``CLICOLOR_FORCE`` say yes, then ``TERM=dumb`` says no; otherwise a terminal says yes.
    """
    given = os.environ if environ is None else environ
    if given.get("NO_COLOR"):
        return False
    if any(given.get(name, "0") not in {"", "0"} for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    if given.get("TERM") == "dumb" or given.get("CLICOLOR") == "0":
        return False
    return _is_terminal(stream)


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False


def painter(colour: bool) -> Paint:
    """A function that puts a text into a style, or leaves it alone where colour is not wanted.

    A style is ``strong``, ``faint``, ``good``, ``warn``, ``bad``, ``hint`` or an ANSI code.
    """
    return _painted if colour else _left_alone


def _painted(text: str, style: str) -> str:
    return f"\x1b[{_CODES.get(style, style)}m{text}\x1b[0m" if text and style else text


def _left_alone(text: str, style: str) -> str:  # noqa: ARG001
    return text


def printed(text: str) -> str:
    """An answer as standard output and its reader take it: their language, their characters."""
    return encodable(say_lines(text), sys.stdout.encoding)


def encodable(text: str, encoding: str | None) -> str:
    """``text`` with the characters that ``encoding`` lacks replaced, one cell for one cell.

    Block characters become letters, so that a bar stays readable on an ASCII terminal.

    >>> encodable("✓ fits ██▓▓··┃", "ascii")
    '+ fits ##KK--|'
    """
    encoding = encoding or "ascii"
    try:
        text.encode(encoding)
    except LookupError:
        encoding = "ascii"
    except UnicodeEncodeError:
        pass
    else:
        return text
    return "".join(each if _has(encoding, each) else _plain(each) for each in text)


def _has(encoding: str, character: str) -> bool:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _plain(character: str) -> str:
    from weighbridge.show.width import display_width

    return _ASCII.get(character, "?" * display_width(character))
