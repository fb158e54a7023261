"""A figure with its bounds, and how it is known: what the terms of this engine are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from weighbridge.term import Basis, Phase, Term


class Estimate(NamedTuple):
    """Bytes with bounds, the rung of evidence, and the reason."""

    bytes: Any
    low: Any
    high: Any
    basis: Basis
    formula: str
    inputs: Mapping[str, Any]
    source: str

    def term(self, name: str, device: int, phase: Phase = "resident") -> Term:
        """The ledger's line of it."""
        return Term(name, device, phase, *self)


def spread(size: Any, low: int, high: int) -> tuple[Any, Any]:
    """``size`` times ``low`` and ``high`` percent."""
    return size * low // 100, size * high // 100
