"""Bytes that a decode step moves over the memory bus: weights, cache and state, by kind of layer.

A step reads what a query can see and no more: a window's tokens, one of every ``stride``, the keys
that an indexer chose and every index key it scored. How an engine lays them out is not counted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from weighbridge.formats.table import StorageFormat
from weighbridge.memory.cache import (
    Streams,
    cache_elements,
    own_streams,
    state_bytes,
    visible_tokens,
)
from weighbridge.model.facts import CacheStream, Layer, Model
from weighbridge.model.feed_forward import MixtureOfExperts
from weighbridge.speed.arithmetic import CROSSING
from weighbridge.speed.visited import visited
from weighbridge.units import ceil_div, minimum, whole


class Traffic(NamedTuple):
    """Bytes of one pass of all sequences."""

    weights: Any
    cache_read: Any
    cache_written: Any
    state_read: Any
    state_written: Any

    @property
    def remembered(self) -> Any:
        """Everything but the weights."""
        return self.cache_read + self.cache_written + self.state_read + self.state_written

    @property
    def total(self) -> Any:
        """All of it."""
        return self.weights + self.remembered


class Seen(NamedTuple):
    """Positions that a step can see: of the sequence, of an encoder, of images."""

    sequence: Any
    encoder: Any = 0
    image: Any = 0


Reads = Callable[[Layer, Seen, Streams], Any]


def _visible(layer: Layer, seen: Seen, streams: Streams) -> Any:
    """Every stream as far as it is visible."""
    total: Any = 0
    for stream in streams(layer):
        total = total + stream.width * visible_tokens(stream, getattr(seen, stream.tokens_of))
    return total


def _chosen(layer: Layer, seen: Seen, streams: Streams) -> Any:
    """Keys and values of the chosen positions, and all index keys."""
    top_k = layer.mixer.top_k  # type: ignore[attr-defined]
    first, *index = streams(layer)
    chosen = seen.sequence if top_k is None else minimum(seen.sequence, top_k)
    return first.width * chosen + sum(stream.width for stream in index) * seen.sequence


def _compressed(layer: Layer, seen: Seen, streams: Streams) -> Any:
    """The window, the full entries (all, or those that the indexer chose), all index keys."""
    top_k = layer.mixer.top_k  # type: ignore[attr-defined]
    total: Any = 0
    for stream in streams(layer):
        tokens = seen.sequence
        if stream.stride > 1:
            tokens = tokens // stream.stride
            if stream.name == "compressed" and top_k is not None:
                tokens = minimum(tokens, top_k)
        else:
            tokens = visible_tokens(stream, tokens)
        total = total + stream.width * tokens
    return total


def _chunk(layer: Layer, seen: Seen, streams: Streams) -> Any:
    """The part of the newest token's chunk up to it."""
    chunk = layer.mixer.chunk  # type: ignore[attr-defined]
    return sum(stream.width for stream in streams(layer)) * ((seen.sequence - 1) % chunk + 1)


def _others(layer: Layer, seen: Seen, _streams: Streams) -> Any:
    """The keys and values of the layer whose cache it shares."""
    mixer: Any = layer.mixer
    width = mixer.kv_heads * (mixer.k_dim + mixer.v_dim)
    return width * visible_tokens(CacheStream(width, window=mixer.window), seen.sequence)


def _parts(layer: Layer, seen: Seen, streams: Streams) -> Any:
    total: Any = 0
    for part in layer.mixer.parts:  # type: ignore[attr-defined]
        total = total + cache_read(layer._replace(mixer=part), seen, streams)
    return total


READS: dict[str, Reads] = {
    "BidirectionalAttention": _visible,
    "ChunkedAttention": _chunk,
    "CompressedAttention": _compressed,
    "ConvolvedAttention": _visible,
    "EncoderDecoderAttention": _visible,
    "FullAttention": _visible,
    "GatedDeltaNet": _visible,
    "GatedLinearRecurrence": _visible,
    "ImageCrossAttention": _visible,
    "KimiDeltaAttention": _visible,
    "LatentAttention": _visible,
    "LightningAttention": _visible,
    "Mamba": _visible,
    "Mamba2": _visible,
    "MatrixLSTM": _visible,
    "NoMixing": _visible,
    "Parallel": _parts,
    "PooledIndexAttention": _chosen,
    "SharedAttention": _others,
    "ShortConvolution": _visible,
    "ShortConvolvedAttention": _visible,
    "SlidingAttention": _visible,
    "SlidingLatentAttention": _visible,
    "SparseAttention": _chosen,
    "SparseLatentAttention": _chosen,
    "TimeMixing": _visible,
}


def cache_read(layer: Layer, seen: Seen, streams: Streams = own_streams) -> Any:
    """Cached elements that a decode step of one sequence reads in a layer."""
    return READS[type(layer.mixer).__name__](layer, seen, streams)


def cache_written(layer: Layer, streams: Streams = own_streams) -> int:
    """Cached elements that a decode step of one sequence writes; of a stream with a stride, its
    share of an entry."""
    own = (stream for stream in streams(layer) if stream.tokens_of == "sequence")
    return sum(ceil_div(stream.width, stream.stride) for stream in own)


def state_moved(layer: Layer, element: int) -> tuple[int, int]:
    """Bytes of state that a decode step of one sequence reads, and that it writes.

    A recurrence and a convolution's inputs are read and written whole. What waits to be compressed
    is written a token at a time and read once for every entry.
    """
    size = sum(s.elements * (4 if s.precision == "fp32" else element) for s in layer.mixer.state)
    ratio = getattr(layer.mixer, "ratio", 1)
    return (size // ratio, size // ratio) if ratio > 1 else (size, size)


def bytes_read(model: Model, storage: StorageFormat, rows: Any, *, crossing: bool = True) -> Any:
    """Bytes of weights that a pass over ``rows`` tokens reads.

    The embedding gives up single rows, unless it is the head as well; of the routed experts those
    are read that at least one token is expected to visit, E·(1 − (1 − k/E)^rows) of E.
    ``crossing`` says that keys and values of an encoder or image are made, as in prefill alone.
    """
    total: Any = 0.0
    for parameter in model.outer:
        table = parameter.role == "embedding"
        if not table or (model.tied and parameter.shape[0] == model.vocab):
            total += storage.bytes_of(parameter)
    for layer, count in model.layer_groups():
        touched: Any = 1.0
        if isinstance(layer.feed_forward, MixtureOfExperts):
            touched = visited(layer.feed_forward.top_k, layer.feed_forward.experts, rows)
        for parameter in (*layer.parameters, *layer.again):
            if not crossing and parameter.name.endswith(CROSSING):
                continue
            part = touched if parameter.role == "expert" else 1.0
            total += storage.bytes_of(parameter) * count * part
    return whole(total)


def step_traffic(
    model: Model,
    storage: StorageFormat,
    sequences: Any,
    positions: Any,
    *,
    element: int = 2,
    streams: Streams = own_streams,
    encoder_tokens: Any = 0,
    image_tokens: Any = 0,
) -> Traffic:
    """Bytes of a decode step of ``sequences``, each with ``positions`` cached after it.

    ``element`` is the size of a cached element; ``streams`` are those that the engine keeps.
    """
    seen = Seen(positions, encoder_tokens, image_tokens)
    read: Any = 0
    written = state_read = state_written = 0
    for layer, count in model.layer_groups():
        read = read + count * cache_read(layer, seen, streams)
        written += count * cache_written(layer, streams)
        taken, put = state_moved(layer, element)
        state_read += count * taken
        state_written += count * put
    return Traffic(
        bytes_read(model, storage, sequences, crossing=False),
        sequences * element * read,
        sequences * element * written,
        sequences * state_read,
        sequences * state_written,
    )


def prefill_traffic(
    model: Model,
    storage: StorageFormat,
    sequences: Any,
    prompt: Any,
    *,
    element: int = 2,
    streams: Streams = own_streams,
    encoder_tokens: Any = 0,
    image_tokens: Any = 0,
) -> Traffic:
    """Bytes of a pass over ``sequences`` prompts: weights once, and what it leaves behind.

    Attention over the prompt need not read the keys back; an encoder's weights are read if it runs.
    """
    groups = model.layer_groups()
    kept = cache_elements(
        groups, prompt, streams=streams, encoder_tokens=encoder_tokens, image_tokens=image_tokens
    )
    weights = bytes_read(model, storage, prompt * sequences)
    if isinstance(encoder_tokens, int) and encoder_tokens:
        weights += sum(storage.bytes_of(p) for tower in model.towers for p in tower.parameters)
    left = sequences * state_bytes(groups, element)
    return Traffic(weights, 0, sequences * element * kept, 0, left)
