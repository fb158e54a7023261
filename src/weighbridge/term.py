"""The ledger's line: one number with its bounds, its evidence and its reason."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

Basis = Literal["rule", "assumed", "config", "header", "traced", "calibrated", "measured"]
Phase = Literal["resident", "load", "prefill", "decode", "forward", "backward", "step"]

LADDER: tuple[Basis, ...] = (
    "rule",
    "assumed",
    "config",
    "header",
    "traced",
    "calibrated",
    "measured",
)

NAMES = (
    "weights",
    "kv_cache",
    "state",
    "activations",
    "logits",
    "workspace",
    "graphs",
    "context",
    "gradients",
    "optimizer",
    "master_weights",
    "adapters",
    "reserve",
)


class Term(NamedTuple):
    """``bytes`` of one kind on one device in one phase, and how they are known.

    ``low`` and ``high`` bound the truth; ``basis`` is the rung of the ladder of evidence;
    ``formula`` with ``inputs`` put in gives ``bytes``; ``source`` says where the formula comes
    from. ``phase`` is ``resident`` for what is there all the time.
    """

    name: str
    device: int
    phase: Phase
    bytes: int
    low: int
    high: int
    basis: Basis
    formula: str
    inputs: Mapping[str, Any] = MappingProxyType({})
    source: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The term as JSON prints it."""
        return {
            "name": self.name,
            "phase": self.phase,
            "bytes": self.bytes,
            "low": self.low,
            "high": self.high,
            "basis": self.basis,
            "formula": self.formula,
            "inputs": dict(self.inputs),
            "source": self.source,
        }


def exact(
    name: str,
    size: Any,
    *,
    basis: Basis,
    formula: str,
    inputs: Mapping[str, Any],
    source: str,
    phase: Phase = "resident",
    device: int = 0,
) -> Term:
    """A term whose bounds are the number itself."""
    return Term(name, device, phase, size, size, size, basis, formula, inputs, source)


def spoken(phase: str) -> str:
    """The phase as a sentence names it: ``in the optimizer's step``."""
    return {"forward": "the forward pass", "backward": "the backward pass",
            "step": "the optimizer's step"}.get(phase, phase)  # fmt: skip


def weakest(bases: list[Basis]) -> Basis:
    """The lowest rung among several: a sum is known no better than its worst part."""
    return min(bases, key=LADDER.index)
