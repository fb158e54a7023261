"""What engines share that serve from a pool: the pieces of a rank, its cache and state per token
and sequence, and what a forward pass needs for a while.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from weighbridge.engine.layout import Layout
from weighbridge.engine.sharding import (
    elements,
    extra_groups,
    local_kv_heads,
    rank_parameters,
    stage_layers,
)
from weighbridge.formats.cache import CacheFormat
from weighbridge.formats.table import StorageFormat
from weighbridge.memory.weights import Weighed, weigh_parameters
from weighbridge.model.facts import CacheStream, Layer, Mixer, Model, Parameter
from weighbridge.model.feed_forward import Dense, MixtureOfExperts
from weighbridge.model.mixers.mamba2 import Mamba2
from weighbridge.model.mixers.parallel import Parallel
from weighbridge.records import replace
from weighbridge.term import Phase, Term
from weighbridge.units import GIB, MIB, ceil_div, maximum

# What a process holds before it loads a model, beside its context: communicators of torch and NCCL.
# Logs of SGLang, "Init torch distributed ends": 1.25 GiB (H100, TP 8), 1.43 (TP 2 × PP 2), 1.77 to
# 2.01 (H200, TP 8), about 1 (H200, TP 2); 0.02 to 0.09 alone. On MI355X 4.4 GiB with the context.
COMMUNICATORS = (1500 * MIB, 700 * MIB, 4000 * MIB)
COMMUNICATORS_SOURCE = (
    "SGLang logs, 'Init torch distributed ends. mem usage': 1.0–2.0 GiB on H100 and H200 with 2 to "
    "8 ranks (sglang#7873, #11716, #13075 and logs published on GitHub); ROCm up to 4 GiB"
)
# What loading leaves beside the weights: 0.04 to 0.28 GiB over the fitting rows.
LOADED = (130 * MIB, 20 * MIB, 400 * MIB)
LOADED_SOURCE = (
    "fitted on SGLang logs, 'Load weight end. mem usage' less the computed weights: Qwen2.5-0.5B "
    "0.06, Qwen3-0.6B 0.09–0.14, Qwen2.5-32B TP 4 0.28 GiB"
)


class Spread(NamedTuple):
    """A figure with its bounds."""

    bytes: Any
    low: Any
    high: Any

    def plus(self, other: Spread) -> Spread:
        """Both together, at worst both at their bounds."""
        return Spread(self.bytes + other.bytes, self.low + other.low, self.high + other.high)


def together(found: Iterable[Term]) -> Spread:
    """The sum of terms, with both bounds."""
    total = Spread(0, 0, 0)
    for term in found:
        total = total.plus(Spread(term.bytes, term.low, term.high))
    return total


def largest(found: Iterable[Spread]) -> Spread:
    """The most of each figure, element by element where they are arrays."""
    most = Spread(0, 0, 0)
    for each in found:
        most = Spread(*(maximum(left, right) for left, right in zip(most, each, strict=True)))
    return most


class RankWeights(NamedTuple):
    """Bytes of a rank's weights, with the spread that an inexact parameter count leaves."""

    size: Spread
    weighed: Weighed


def rank_pieces(
    model: Model, mixers: Layout, feed: Layout, stage: int
) -> list[tuple[Parameter, int]]:
    """What a rank holds where mixers and feed-forwards may be cut over different ranks.

    Under data parallel attention the mixers and the embedding are cut over fewer ranks than the
    feed-forwards and the head.
    """
    pieces = rank_parameters(model, mixers, stage)
    if mixers == feed:
        return pieces
    names = {p.name for layer, _ in model.layer_groups() for p in layer.feed_forward.parameters}
    wider = rank_parameters(model, feed, stage)
    return [
        (other if piece.name in names or piece.role == "head" else piece, count)
        for (piece, count), (other, _) in zip(pieces, wider, strict=True)
    ]


def rank_weights(
    model: Model, storage: StorageFormat, mixers: Layout, feed: Layout, stage: int
) -> RankWeights:
    """Bytes of a rank in a storage format."""
    pieces = rank_pieces(model, mixers, feed, stage)
    if storage.by_layer:
        weighed = _by_layer(model, storage, pieces, mixers.pipeline, stage)
    else:
        weighed = weigh_parameters(pieces, storage)
    rounding = model.rounding * weighed.total // max(model.parameters, 1)
    size = Spread(weighed.total, weighed.total - rounding, weighed.total + rounding)
    return RankWeights(size, weighed)


def _by_layer(
    model: Model,
    storage: StorageFormat,
    pieces: list[tuple[Parameter, int]],
    pipeline: int,
    stage: int,
) -> Weighed:
    """A format that depends on the layer's number: the stage as a whole, cut by its elements."""
    whole = rank_parameters(model, Layout(1, pipeline), stage)
    inner = {id(p) for layer, _ in model.layer_groups() for p in layer.parameters}
    named = [(p, n) for p, n in whole if id(p) not in inner]
    for index in stage_layers(len(model.layers), pipeline)[stage]:
        for p in model.layers[index].parameters:
            named.append((replace(p, name=f"{model.layer_prefix}{index}.{p.name}"), 1))
    held = weigh_parameters(named, storage)
    mine, all_of_it = elements(pieces), max(elements(whole), 1)
    return Weighed(*(value * mine // all_of_it for value in held))


def parts_of(mixer: Mixer) -> tuple[Mixer, ...]:
    """The mixers of a layer: one, or those that work side by side."""
    return mixer.parts if isinstance(mixer, Parallel) else (mixer,)


def rank_streams(layer: Layer, tensor: int) -> tuple[CacheStream, ...]:
    """What a rank appends for each token: its KV heads, or a latent that every rank keeps."""
    return tuple(
        stream._replace(width=_local_width(part, stream, tensor))
        for part in parts_of(layer.mixer)
        for stream in part.cache
    )


def _local_width(part: Mixer, stream: CacheStream, tensor: int) -> int:
    kv_heads = int(getattr(part, "kv_heads", 0))
    if not kv_heads or stream.name != "kv" or stream.width % kv_heads:
        return stream.width
    return stream.width // kv_heads * local_kv_heads(kv_heads, tensor)


class RankState(NamedTuple):
    """Elements of one sequence's states on a rank: convolution inputs, and the recurrence."""

    convolution: int
    recurrence: int

    def bytes(self, convolution: int, recurrence: int) -> tuple[int, int]:
        """Bytes of both at these bytes an element."""
        return self.convolution * convolution, self.recurrence * recurrence


def rank_state(layers: Iterable[Layer], tensor: int) -> RankState:
    """States of the layers of a rank; a convolution keeps the inputs before the newest one."""
    convolution = recurrence = 0
    for layer in layers:
        for part in parts_of(layer.mixer):
            kernel = getattr(part, "convolution", None)
            if kernel is not None:
                channels = kernel.channels
                if isinstance(part, Mamba2):
                    channels += 2 * extra_groups(part.groups, tensor) * part.state_size
                convolution += ceil_div(channels, tensor) * (kernel.kernel - 1)
            recurrence += ceil_div(int(getattr(part, "recurrent_elements", 0)), tensor)
    return RankState(convolution, recurrence)


def stage_of_layers(model: Model, pipeline: int, stage: int) -> tuple[Layer, ...]:
    """The layers of a pipeline stage."""
    return tuple(model.layers[i] for i in stage_layers(len(model.layers), pipeline)[stage])


def stream_bytes(stream: CacheStream, cache: CacheFormat) -> int:
    """Bytes of one token of a stream; a scale for each block or vector is counted."""
    return int(cache.bytes_of(stream.width, head_dim=stream.width))


# ---------------------------------------------------------------------------------------- passing


def forward_bytes(model: Model, tokens: Any, tensor: int, element: int) -> tuple[Any, str]:
    """What a forward pass of ``tokens`` needs at its widest layer, with the formula.

    The coefficients of a dense layer were measured in vLLM (23 of 24 rows within 9 %) and are the
    same in Transformers 4.46; those of experts are the buffers of SGLang's fused_moe.py
    (intermediate caches 1 or 3, and 2).
    """
    widest: tuple[int, str] = (0, "")
    for layer, _ in model.layer_groups():
        widest = max(widest, *_per_token(model.hidden, layer, tensor))
    return tokens * widest[0] * element, f"tokens × {element} B × ({widest[1]})"


def _per_token(hidden: int, layer: Layer, tensor: int) -> Iterator[tuple[int, str]]:
    feed = layer.feed_forward
    if isinstance(feed, MixtureOfExperts):
        inner = ceil_div(feed.intermediate, tensor)
        size = feed.top_k * (max(2 * inner, hidden) + inner) + 4 * hidden
        yield size, "top-k × (max(2I/TP, H) + I/TP) + 4H"
    elif isinstance(feed, Dense):
        yield 3 * ceil_div(feed.intermediate, tensor) + 4 * hidden, "3I/TP + 4H"
    mixing = ceil_div(2 * layer.mixer.query_width + 2 * layer.mixer.key_width, tensor)
    yield mixing + 3 * hidden, "(2A + 2K)/TP + 3H"


def printed_gib(size: Any) -> str:
    """A size as these engines print it: GiB with two decimals."""
    return f"{size / GIB:.2f}"


def assumed_term(
    name: str,
    device: int,
    size: Spread,
    formula: str,
    inputs: dict[str, Any],
    source: str,
    *,
    phase: Phase = "resident",
    calibrated: bool = False,
) -> Term:
    """A term whose figure is not exact: ``calibrated`` on logs, or assumed."""
    return Term(
        name,
        device,
        phase,
        size.bytes,
        size.low,
        size.high,
        "calibrated" if calibrated else "assumed",
        formula,
        inputs,
        source,
    )
