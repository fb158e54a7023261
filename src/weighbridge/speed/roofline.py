"""The floor of time: bytes that must cross the memory bus, and arithmetic that must be done.

Every decode step reads the weights it uses and the cache it has built, and every prompt token
passes through all active parameters (Williams et al., "Roofline", CACM 52(4), 2009). Nothing runs
faster than these on the card's stated rates; how much slower an engine is, is not modelled here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from weighbridge.formats.table import StorageFormat
from weighbridge.hardware.card import Card
from weighbridge.model.facts import Model
from weighbridge.model.feed_forward import MixtureOfExperts


class Floor(NamedTuple):
    """The least seconds that a pass takes, and what sets them.

    ``memory`` and ``arithmetic`` are the seconds that either would take by itself.
    """

    memory: float
    arithmetic: float

    @property
    def seconds(self) -> float:
        """The longer of the two: they can overlap, but neither can be skipped."""
        return max(self.memory, self.arithmetic)

    @property
    def bound_by(self) -> str:
        """``memory bandwidth`` or ``arithmetic``."""
        return "memory bandwidth" if self.memory >= self.arithmetic else "arithmetic"

    @property
    def memory_wait_fraction(self) -> float:
        """The share of the time in which the arithmetic units wait for memory."""
        return max(0.0, 1 - self.arithmetic / self.memory) if self.memory else 0.0

    def to_dict(self) -> dict[str, Any]:
        """The floor as JSON prints it."""
        return {
            "kind": "floor",
            "seconds": self.seconds,
            "memory_seconds": self.memory,
            "arithmetic_seconds": self.arithmetic,
            "bound_by": self.bound_by,
            "memory_wait_fraction": self.memory_wait_fraction,
        }


class Speed(NamedTuple):
    """Floors of prefill (the whole prompt) and of one decode step of all sequences."""

    prefill: Floor
    decode: Floor | None
    sequences: int

    def to_dict(self) -> dict[str, Any]:
        """Both floors, decode by token as well."""
        decode = None
        if self.decode is not None:
            seconds = self.decode.seconds
            decode = {
                **self.decode.to_dict(),
                "seconds_per_token": seconds,
                "tokens_per_second": self.sequences / seconds,
            }
        return {"prefill": self.prefill.to_dict(), "decode": decode}


def bytes_read(model: Model, storage: StorageFormat, rows: int) -> int:
    """Bytes of weights that a pass over ``rows`` tokens reads.

    The embedding gives up single rows, unless it is the head as well; of the routed experts those
    are read that at least one token is expected to visit, E·(1 − (1 − k/E)^rows) of E.
    """
    total = 0.0
    for parameter, count in ((p, 1) for p in model.outer):
        if parameter.role != "embedding" or model.tied:
            total += storage.bytes_of(parameter) * count
    for layer, count in model.layer_groups():
        touched = 1.0
        if isinstance(layer.feed_forward, MixtureOfExperts):
            share = layer.feed_forward.top_k / layer.feed_forward.experts
            touched = 1 - (1 - share) ** rows
        for parameter in layer.parameters:
            part = touched if parameter.role == "expert" else 1.0
            total += storage.bytes_of(parameter) * count * part
    return int(total)


def operations(model: Model, tokens: int, sequences: int) -> int:
    """Multiply-adds × 2 of ``tokens`` new tokens in each sequence, causal attention included."""
    embedding = sum(p.elements for p in model.outer if p.role == "embedding" and not model.tied)
    passed = model.active_parameters - embedding - model.towers_elements
    attention = sum(2 * layer.mixer.query_width for layer in model.layers) * tokens * tokens
    return sequences * (2 * passed * tokens + attention)


def floor_of(cards: Sequence[Card], dtype: str, reads: Sequence[int], work: int) -> Floor | None:
    """The floor over devices that work one after the other; None where a rate is not known.

    ``reads`` are bytes per device; ``work`` is spread as the bytes are.
    """
    memory = arithmetic = 0.0
    everything = sum(reads)
    for card, size in zip(cards, reads, strict=True):
        rate = card.flops(dtype) or card.flops("fp16") or card.flops("fp32")
        if not card.bandwidth or not rate or not everything:
            return None
        memory += size / card.bandwidth
        arithmetic += work * size / everything / rate
    return Floor(memory, arithmetic)
