"""How the value of a flag is read, as the engine itself reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from weighbridge.errors import LaunchError

AUTO = None
LONGEST = 100_000
# vLLM utils/argparse_utils.py human_readable_int: lower case counts in thousands, upper in 1024s.
_DECIMAL = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_TRUE = {"1", "t", "true", "on", "yes", "enabled"}
_FALSE = {"0", "f", "false", "off", "no", "disabled"}
DTYPES = {
    "auto": AUTO,
    "half": "fp16", "float16": "fp16", "fp16": "fp16",
    "bfloat16": "bf16", "bf16": "bf16",
    "float": "fp32", "float32": "fp32", "fp32": "fp32",
}  # fmt: skip
CACHE_TYPES = {"auto": AUTO, "bfloat16": "bf16", "float16": "fp16", "half": "fp16"}


def read_value(kind: str, text: str, flag: str) -> Any:
    """The value that ``text`` states for a flag of this kind; None where it asks for the default.

    Raises :class:`LaunchError` where the engine would refuse it.
    """
    if len(text) > LONGEST:
        raise LaunchError(f"the value of {flag} is longer than {LONGEST:,} characters")
    return _READERS.get(kind, _text)(text, flag)


def _text(text: str, flag: str) -> str:
    del flag
    return text


def _int(text: str, flag: str) -> int:
    if re.fullmatch(r"[+-]?\d{1,18}", text.strip(), re.ASCII):
        return int(text)
    raise LaunchError(f"{flag} takes a whole number, not {text[:40]!r}")


def _count(text: str, flag: str) -> int | None:
    """A whole number of which a negative one means that nothing is set."""
    number = _int(text, flag)
    return None if number < 0 else number


def _float(text: str, flag: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not abs(number) < 1e15:
        raise LaunchError(f"{flag} takes a number, not {text[:40]!r}")
    return number


def _human(text: str, flag: str) -> int:
    """``1k`` is 1,000 and ``1K`` is 1,024; a decimal point goes with lower case alone."""
    match = re.fullmatch(r"(\d{1,15})(\.\d{1,9})?([kKmMgGtT]?)", text.strip(), re.ASCII)
    if match is None or (match[2] and match[3] not in _DECIMAL):
        raise LaunchError(
            f"{flag} takes a whole number such as 8192, 8k (8,000) or 8K (8,192), not {text[:40]!r}"
        )
    if match[2]:
        return int(float(match[1] + match[2]) * _DECIMAL[match[3]])
    return int(match[1]) * {**_DECIMAL, **_BINARY, "": 1}[match[3]]


def _human_or_auto(text: str, flag: str) -> int:
    return -1 if text.strip().lower() in {"-1", "auto"} else _human(text, flag)


def _json(text: str, flag: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise LaunchError(f"{flag} takes JSON, and {text[:60]!r} is none") from None


def _limits(text: str, flag: str) -> Any:
    """``image=2,video=0``, or JSON."""
    pairs = [part.partition("=") for part in text.split(",")]
    if all(name.isalpha() and count.isdecimal() for name, _, count in pairs):
        return {name: int(count) for name, _, count in pairs}
    return _json(text, flag)


def truth(text: str, flag: str) -> bool:
    """A yes or a no as llama.cpp and Go's ParseBool write it."""
    folded = text.strip().lower()
    if folded in _TRUE | _FALSE:
        return folded in _TRUE
    raise LaunchError(f"{flag} is on or off, not {text[:40]!r}")


def _named(known: dict[str, str | None], what: str) -> Callable[[str, str], str | None]:
    def read(text: str, flag: str) -> str | None:
        folded = text.strip().lower()
        if what == "type" and folded not in known:
            raise LaunchError(f"{flag} is one of {', '.join(known)}, not {text[:40]!r}")
        return known.get(folded, folded)

    return read


_READERS: dict[str, Callable[[str, str], Any]] = {
    "int": _int,
    "count": _count,
    "float": _float,
    "human": _human,
    "auto": _human_or_auto,
    "json": _json,
    "limits": _limits,
    "truth": truth,
    "dtype": _named(DTYPES, "type"),
    "kvtype": _named(CACHE_TYPES, "cache type"),
}
