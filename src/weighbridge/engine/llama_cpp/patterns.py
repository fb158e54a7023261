"""``--override-tensor``: patterns of tensor names, each with the buffer that it is sent to.

llama.cpp takes ``std::regex`` and lets the first match decide (src/llama-model-loader.cpp).
A pattern is a stranger's: only the small part of the grammar that such patterns use is read, it is
short, and it may not repeat a group that repeats, so that no name takes long to match.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from weighbridge.errors import RequestError

LONGEST, MOST = 2000, 256
_ALLOWED = re.compile(r"[\w.\-|()\[\]*+?\\^$,{}:]+")
_NESTED = re.compile(r"\([^()]*[*+{][^()]*\)[*+{]")
_WIDE = re.compile(r"(?:[*+][^)|]*){5}")


class Pattern(NamedTuple):
    """Names that match ``search`` go to ``target``: CPU, or a device such as CUDA1."""

    search: re.Pattern[str]
    target: str


def read_patterns(text: str | None) -> tuple[Pattern, ...]:
    """``pattern=CPU,pattern=CUDA0`` in order; raises RequestError where one cannot be read."""
    if not text:
        return ()
    if len(text) > LONGEST:
        raise RequestError(f"override_tensor is longer than {LONGEST:,} characters")
    found = []
    for part in _parts(text):
        pattern, separator, target = part.rpartition("=")
        if not separator or not pattern or not target:
            raise RequestError(
                f"override_tensor {part[:60]!r} is not a pattern and a buffer, such as exps=CPU"
            )
        found.append(Pattern(_compiled(pattern), target.strip()))
    if len(found) > MOST:
        raise RequestError(f"override_tensor has more than {MOST} patterns")
    return tuple(found)


def _parts(text: str) -> list[str]:
    """Cut at commas that stand outside brackets and braces."""
    parts, depth, start = [], 0, 0
    for index, letter in enumerate(text):
        if letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth = max(depth - 1, 0)
        elif letter == "," and depth == 0:
            parts.append(text[start:index])
            start = index + 1
    parts.append(text[start:])
    return [part for part in parts if part.strip()]


def _compiled(pattern: str) -> re.Pattern[str]:
    if not _ALLOWED.fullmatch(pattern) or _NESTED.search(pattern) or _WIDE.search(pattern):
        raise RequestError(
            f"override_tensor pattern {pattern[:60]!r} is not read; use names, dots, alternatives "
            "in brackets and simple repeats"
        )
    try:
        return re.compile(pattern)
    except re.error as error:
        raise RequestError(
            f"override_tensor pattern {pattern[:60]!r} cannot be read: {error}"
        ) from None


def target_of(name: str, patterns: tuple[Pattern, ...]) -> str | None:
    """Where the first matching pattern sends a tensor; None where none matches."""
    for pattern in patterns:
        if pattern.search.search(name[:200]):
            return pattern.target
    return None
