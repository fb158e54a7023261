"""Counts and sizes: the only module that knows 1000 from 1024.

Bytes are plain integers everywhere else. Text becomes a number here on the way in
(:func:`parse_count`, :func:`parse_size`), and a number becomes text here on the way out
(:func:`format_bytes`, :func:`format_count`).

The three helpers at the end (:func:`ceil_div`, :func:`minimum`, :func:`where`) let a formula
take an int64 array in the place of an int, so that a sweep is the formula itself.
"""

from __future__ import annotations

import re
from typing import Any, overload

from weighbridge.errors import UnitError

KB, MB, GB, TB = 10**3, 10**6, 10**9, 10**12
KIB, MIB, GIB, TIB = 2**10, 2**20, 2**30, 2**40

_SIZE_UNITS = {
    "b": 1,
    "kb": KB,
    "mb": MB,
    "gb": GB,
    "tb": TB,
    "kib": KIB,
    "mib": MIB,
    "gib": GIB,
    "tib": TIB,
}
_COUNT_UNITS = {"": 1, "k": KB, "K": KIB, "m": MB, "M": MIB, "g": GB, "G": GIB}
_NUMBER = r"(\d+(?:_\d{3})*(?:\.\d+)?|\.\d+)"
_SIZE = re.compile(rf"{_NUMBER}\s*([A-Za-z]*)", re.ASCII)
_LARGEST = 2**63 - 1


def _scaled(digits: str, factor: int) -> int:
    """``digits`` × ``factor`` without going through a float, rounded down to a whole number."""
    whole, _, fraction = digits.replace("_", "").partition(".")
    scaled = int(whole or "0") * factor
    if fraction:
        scaled += int(fraction) * factor // 10 ** len(fraction)
    return scaled


def parse_count(text: str | int, what: str = "count") -> int:
    """A number of tokens or requests: ``8192``, ``32k`` = 32,000, ``32K`` = 32,768, ``1.5k``.

    >>> parse_count("32k"), parse_count("32K")
    (32000, 32768)
    """
    if isinstance(text, int) and not isinstance(text, bool):
        if text < 0:
            raise UnitError(f"{what} {_shown(text)} is negative; give a whole number of 0 or more")
        if text > _LARGEST:
            raise UnitError(f"{what} {_shown(text)} is larger than {_LARGEST}")
        return text
    match = _SIZE.fullmatch(str(text).strip()) if len(str(text)) <= 40 else None
    if match is None or match[2] not in _COUNT_UNITS:
        raise UnitError(
            f"{what} {_shown(text)} is not a count; write 8192, 32k (32,000) or 32K (32,768)"
        )
    value = _scaled(match[1], _COUNT_UNITS[match[2]])
    if match[2] == "" and "." in match[1]:
        raise UnitError(f"{what} {_shown(text)} is not a whole number")
    if value > _LARGEST:
        raise UnitError(f"{what} {_shown(text)} is larger than {_LARGEST}")
    return value


def parse_size(text: str | int, what: str = "size") -> int:
    """A number of bytes with its unit: ``24GB`` = 24·10⁹, ``24GiB`` = 24·2³⁰.

    A bare ``24G`` is refused, because card makers and drivers mean different things by it.

    >>> parse_size("24GB"), parse_size("24GiB")
    (24000000000, 25769803776)
    """
    if isinstance(text, int) and not isinstance(text, bool):
        if text < 0:
            raise UnitError(
                f"{what} {_shown(text)} is negative; give a number of bytes of 0 or more"
            )
        if text > _LARGEST:
            raise UnitError(f"{what} {_shown(text)} is larger than {_LARGEST} bytes")
        return text
    match = _SIZE.fullmatch(str(text).strip()) if len(str(text)) <= 40 else None
    if match is not None and match[2].lower() in {"k", "m", "g", "t"}:
        letter = match[2].upper()
        raise UnitError(
            f"{what} {_shown(text)} does not say which unit it means; "
            f"write {match[1]}{letter}B (powers of 1000) or {match[1]}{letter}iB (powers of 1024)"
        )
    if match is None or match[2].lower() not in _SIZE_UNITS:
        raise UnitError(f"{what} {_shown(text)} is not a size; write 24GB, 24GiB or 512MiB")
    value = _scaled(match[1], _SIZE_UNITS[match[2].lower()])
    if value > _LARGEST:
        raise UnitError(f"{what} {_shown(text)} is larger than {_LARGEST} bytes")
    return value


def _shown(text: object) -> str:
    """User text, quoted and cut so that an error stays one readable sentence."""
    shown = repr(str(text))
    return shown if len(shown) <= 60 else shown[:56] + "…'"


def format_bytes(count: int | float, digits: int | None = None) -> str:
    """Bytes in binary units, as drivers and frameworks count them: ``14.96 GiB``."""
    return _formatted(count, (("TiB", TIB), ("GiB", GIB), ("MiB", MIB), ("KiB", KIB)), digits)


def format_bytes_decimal(count: int | float, digits: int | None = None) -> str:
    """Bytes in decimal units, as card makers and file listings count them: ``16.06 GB``."""
    return _formatted(count, (("TB", TB), ("GB", GB), ("MB", MB), ("kB", KB)), digits)


def _formatted(count: int | float, units: tuple[tuple[str, int], ...], digits: int | None) -> str:
    sign, count = ("-", -count) if count < 0 else ("", count)
    for name, factor in units:
        if count >= factor:
            value = count / factor
            places = digits if digits is not None else (2 if value < 100 else 1)
            return f"{sign}{value:,.{places}f} {name}"
    return f"{sign}{count:,.0f} B"


def format_parameters(count: int) -> str:
    """A parameter count as the field writes it: ``8.03B``, ``22.7M``."""
    for name, factor in (("T", TB), ("B", GB), ("M", MB), ("K", KB)):
        if count >= factor:
            return (
                f"{count / factor:.3g}{name}"
                if count >= 100 * factor
                else (f"{count / factor:.2f}{name}")
            )
    return str(count)


@overload
def ceil_div(numerator: int, denominator: int) -> int: ...
@overload
def ceil_div(numerator: Any, denominator: Any) -> Any: ...
def ceil_div(numerator: Any, denominator: Any) -> Any:
    """⌈numerator / denominator⌉ for ints and integer arrays."""
    return -(-numerator // denominator)


def minimum(left: Any, right: Any) -> Any:
    """The smaller of two ints, or element by element where either is an array."""
    return where(left < right, left, right)


def maximum(left: Any, right: Any) -> Any:
    """The larger of two ints, or element by element where either is an array."""
    return where(left > right, left, right)


def where(condition: Any, yes: Any, no: Any) -> Any:
    """``yes if condition else no``, element by element where ``condition`` is an array."""
    if isinstance(condition, bool):
        return yes if condition else no
    import numpy

    return numpy.where(condition, yes, no)
