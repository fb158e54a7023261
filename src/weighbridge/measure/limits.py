"""Lengths of time as people write them."""

from __future__ import annotations

import re

from weighbridge.errors import UnitError

_SECONDS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}


def parse_seconds(text: str | float) -> float:
    """``90``, ``90s``, ``20m`` or ``1.5h`` in seconds.

    >>> parse_seconds("20m")
    1200.0
    """
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)(s|m|min|h|)", str(text).strip(), re.ASCII)
    if match is None:
        raise UnitError(f"a time {str(text)[:40]!r} cannot be read; write 90s, 20m or 2h")
    return float(match[1]) * _SECONDS[match[2]]
