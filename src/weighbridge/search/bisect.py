"""The largest whole number for which something still holds."""

from __future__ import annotations

from collections.abc import Callable


def largest(holds: Callable[[int], bool], low: int, high: int) -> int | None:
    """The largest n in ``low`` … ``high`` for which ``holds(n)``; None if not even ``low`` does.

    ``holds`` must be true up to some n and false from there on.
    """
    if low > high or not holds(low):
        return None
    if holds(high):
        return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
