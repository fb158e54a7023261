"""Numbers in the rules' sentences."""

from __future__ import annotations

from weighbridge.units import format_bytes, format_bytes_decimal


def both(size: int) -> str:
    """Bytes in both units, as mixing them up is an error of its own.

    >>> both(16_800_000_000)
    '16.80 GB (15.65 GiB)'
    """
    return f"{format_bytes_decimal(size)} ({format_bytes(size)})"


def percent(error: float) -> str:
    """A signed error: ``+24.6 %``, ``−96.9 %``; with the factor from ten times on."""
    if abs(error) < 0.0005:
        return "±0.0 %"
    if error >= 9:
        return f"+{error * 100:,.0f} % ({times(1 + error)} too large)"
    return f"{error * 100:+,.1f} %".replace("-", "−")


def share(part: int, whole: int) -> str:
    """A part as a percentage of the whole."""
    return f"{part / whole * 100:,.1f} %" if whole else "none"


def times(ratio: float) -> str:
    """A factor: ``4 times``, ``24.9 times``, ``0.05 times``."""
    if ratio >= 100:
        return f"{ratio:,.0f} times"
    return f"{ratio:.3g} times"


def off(ratio: float) -> str:
    """How far a figure is from what it stands for, in words.

    >>> off(4.0), off(0.25), off(1.046), off(1.0)
    ('4 times too large', '4 times too small', '4.6 % too large', 'right')
    """
    if 0.9995 < ratio < 1.0005:
        return "right"
    if 0.5 < ratio < 2:
        return f"{abs(ratio - 1):.1%} too ".replace("%", " %") + ("large" if ratio > 1 else "small")
    return f"{times(ratio)} too large" if ratio > 1 else f"{times(1 / ratio)} too small"
