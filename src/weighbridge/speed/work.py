"""What a pass does on the busiest device: bytes by what they are, operations, messages.

Everything is a number or an array, so that many batches and contexts are one :class:`Work`; how
long it takes is another matter (``step``). A multiply-add is two operations.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from weighbridge.memory.cache import Streams, own_streams, state_bytes
from weighbridge.speed.mixing import Pass, mixing_operations
from weighbridge.speed.shape import Kernels, Shape
from weighbridge.speed.traffic import Seen, cache_read, cache_written
from weighbridge.speed.visited import visited
from weighbridge.units import ceil_div


class Cached(NamedTuple):
    """What an engine keeps: bytes of a cached element, and which streams of a layer."""

    element: float = 2
    streams: Streams = own_streams


USUAL = Cached()


class Work(NamedTuple):
    """One pass of ``rows`` tokens through a rank's layers; ``sequences`` give one logit each.

    ``routed`` tokens reach the experts of all ranks; ``expert_bytes`` are those of all experts
    held, of which ``step`` takes the part expected to be touched. ``messages`` are all-reduces of
    ``message_bytes`` over ``ranks``, ``exchanges`` all-to-alls, ``hops`` sends between stages.
    """

    rows: Any
    routed: Any
    layers: int
    kernels: Kernels
    dense_bytes: Any
    expert_bytes: Any
    experts: int
    top_k: int
    cache_bytes: Any
    state_bytes: Any
    dense_operations: Any
    expert_operations: Any
    mixing_operations: Any
    ranks: int
    messages: Any
    message_bytes: Any
    exchanges: Any
    exchange_bytes: Any
    hops: int = 0

    @property
    def operations(self) -> Any:
        """All of them."""
        return self.dense_operations + self.expert_operations + self.mixing_operations


def decode_work(
    shape: Shape, sequences: Any, positions: Any, cached: Cached = USUAL, drafts: int = 0
) -> Work:
    """A decode step of ``sequences`` over all replicas, each with ``positions`` cached.

    A replica has its part of them. Pipeline stages work on as many groups of sequences at once, and
    a group passes all stages one after the other. ``drafts`` tokens are verified beside the next.
    """
    own = part_of(sequences, shape.layout.data * shape.layout.pipeline)
    seen = Pass(1, positions, True)
    return _work(shape, own * (1 + drafts), own, seen, _read(shape, positions, cached))


def prefill_work(
    shape: Shape, sequences: Any, new: Any, positions: Any, cached: Cached = USUAL
) -> Work:
    """A pass of ``new`` prompt tokens of each of ``sequences`` of one replica, up to ``positions``.

    Attention reads what was cached before once for the whole pass.
    """
    before = _read(shape, positions - new, cached) + _written(shape, cached) * (new - 1)
    return _work(shape, sequences * new, sequences, Pass(new, positions), before)


def part_of(sequences: Any, parts: int) -> Any:
    """The share of the fullest of ``parts``; of fractions the mean, for a fit is smooth."""
    if parts == 1:
        return sequences
    counted = isinstance(sequences, int) or getattr(sequences, "dtype", "") == "int64"
    return ceil_div(sequences, parts) if counted else sequences / parts


def touched(experts: int, top_k: int, tokens: Any) -> Any:
    """The part of the experts that at least one of ``tokens`` visits: 1 - (1 - k/E)^tokens."""
    return visited(top_k, experts, tokens)


def _read(shape: Shape, positions: Any, cached: Cached) -> Any:
    """Bytes that one sequence's step reads of a rank's cache, and what it writes."""
    total: Any = _written(shape, cached)
    for layer, count, share, _ in shape.parts:
        read = cache_read(layer, Seen(positions), cached.streams)
        total = total + count * share * cached.element * read
    return total


def _written(shape: Shape, cached: Cached) -> float:
    return sum(
        part.times * part.cache * cached.element * cache_written(part.layer, cached.streams)
        for part in shape.parts
    )


def _work(shape: Shape, rows: Any, sequences: Any, seen: Pass, cache: Any) -> Work:
    layout, ranks = shape.layout, shape.layout.tensor * shape.layout.data
    state = sum(
        2 * part.times * part.heads * state_bytes([(part.layer, 1)], 2) for part in shape.parts
    )
    mixing: Any = 0.0
    for layer, count, _, heads in shape.parts:
        mixing = mixing + count * heads * mixing_operations(layer.mixer, seen)
    mixtures = shape.kernels.mixtures
    both = layout.data > 1 and layout.expert
    reduced = (2 * shape.layers - (mixtures if both else 0)) if layout.tensor > 1 else 0
    # What nobody sends and no expert computes is the number 0: no array is made of it.
    sent = rows * shape.hidden * 2 if layout.tensor > 1 or layout.pipeline > 1 else 0
    exchanged = rows * shape.hidden * 2 * min(shape.top_k, ranks) if layout.data > 1 else 0
    return Work(
        rows=rows,
        routed=rows * layout.data,
        layers=shape.layers,
        kernels=shape.kernels,
        dense_bytes=shape.dense_bytes,
        expert_bytes=shape.expert_bytes,
        experts=shape.experts,
        top_k=shape.top_k,
        cache_bytes=cache * sequences,
        state_bytes=state * sequences if state else 0,
        dense_operations=2 * shape.dense_elements * rows + 2 * shape.head * sequences,
        expert_operations=2 * shape.visited * rows / layout.tensor if shape.visited else 0,
        mixing_operations=mixing * rows if seen.absorbed else mixing * sequences,
        ranks=ranks,
        messages=reduced,
        message_bytes=sent,
        exchanges=2 * mixtures if layout.data > 1 else 0,
        exchange_bytes=exchanged,
        hops=layout.pipeline - 1,
    )
