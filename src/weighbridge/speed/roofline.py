"""The floor of time: bytes that must cross the memory bus, and arithmetic that must be done.

Every decode step reads the weights it uses and what its layers remember (``traffic``), and every
prompt token passes through all active parameters and sees those before it (``arithmetic``): the
roofline of Williams et al., CACM 52(4), 2009. Nothing runs faster than these on the card's stated
rates; how much slower an engine is, is not modelled here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from weighbridge.engine import CacheFacts, Question
from weighbridge.formats.table import StorageFormat
from weighbridge.hardware.card import Card
from weighbridge.speed.arithmetic import encoder_operations, pass_operations
from weighbridge.speed.traffic import prefill_traffic, step_traffic
from weighbridge.units import maximum, whole


class Floor(NamedTuple):
    """The least seconds that a pass takes, and what sets them.

    ``memory`` and ``arithmetic`` are the seconds that either would take by itself.
    """

    memory: float
    arithmetic: float

    @property
    def seconds(self) -> Any:
        """The longer of the two: they can overlap, but neither can be skipped."""
        return maximum(self.memory, self.arithmetic)

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


def floor_of(
    cards: Sequence[Card], dtype: str, reads: Sequence[Any], work: Any, at_once: int = 1
) -> Floor | None:
    """The floor over devices of which ``at_once`` work at a time; None where a rate is not known.

    ``reads`` are bytes per device; ``work`` is spread as the bytes are.
    """
    memory: Any = 0.0
    arithmetic: Any = 0.0
    everything: Any = sum(reads)
    nothing: Any = everything == 0
    for card, size in zip(cards, reads, strict=True):
        rate = card.flops(dtype) or card.flops("fp16") or card.flops("fp32")
        if not card.bandwidth or not rate or nothing is True:
            return None
        memory += size / card.bandwidth
        arithmetic += work * (size / everything) / float(rate)
    return Floor(memory / at_once, arithmetic / at_once)


class Load(NamedTuple):
    """Bytes of weights, other bytes, and operations of a pass of all sequences."""

    weights: int
    remembered: int
    work: float


def loads(question: Question, storage: StorageFormat, cache: CacheFacts) -> tuple[Load, Load]:
    """What prefill and the last decode step move and compute.

    Where an encoder takes the prompt, the decoder begins with one start token instead.
    """
    model, tokens, sequences = question.model, question.tokens, question.concurrency
    prompt, cached = tokens.prompt, tokens.cached
    encoded = model.encoder_tokens or 0
    if model.encodes_prompt:
        encoded, prompt, cached = prompt, 1, cached - prompt + 1
    groups = model.layer_groups()
    expanded = any(cache.streams(layer) != layer.mixer.cache for layer, _ in groups)
    moved: dict[str, Any] = {
        "element": cache.element_bytes,
        "streams": cache.streams,
        "encoder_tokens": encoded,
    }
    whole = prefill_traffic(model, storage, sequences, prompt, **moved)
    step = step_traffic(model, storage, sequences, cached, **moved)
    logits = 1 if model.generates else prompt
    filling = pass_operations(model, prompt, prompt, logits=logits, encoder_tokens=encoded)
    filling += encoder_operations(model, encoded)
    one = pass_operations(
        model, 1, cached, decoding=True, expanded=expanded, encoder_tokens=encoded
    )
    return (
        Load(whole.weights, whole.remembered, 1.0 * sequences * filling),
        Load(step.weights, step.remembered, 1.0 * sequences * one),
    )


def speed_floor(
    question: Question,
    storage: StorageFormat,
    cache: CacheFacts,
    dtype: str,
    held: Sequence[tuple[int, int]],
    at_once: int = 1,
) -> Speed | None:
    """Floors of a machine whose devices hold ``held`` bytes of weights and of cache and state.

    Weights and what is remembered move on each device in the proportion that it holds of them;
    ``at_once`` of the devices work at the same time, the others before or after them.
    """
    parts = [tuple(each) for each in zip(*held, strict=True)]
    weights, remembered = ([part / maximum(sum(row), 1) for part in row] for row in parts)

    def at(load: Load) -> Floor | None:
        reads = [
            whole(load.weights * one + load.remembered * other)
            for one, other in zip(weights, remembered, strict=True)
        ]
        return floor_of(question.cards, dtype, reads, load.work, at_once)

    filling, step = loads(question, storage, cache)
    prefill = at(filling)
    if prefill is None:
        return None
    decode = at(step) if question.model.generates else None
    return Speed(prefill, decode, question.concurrency)
