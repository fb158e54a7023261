"""KV cache and recurrent state: what layers remember, in bytes.

Each layer states its streams (elements per token, window, stride) and its states (elements per
sequence); the engine says how many tokens of a window it really keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from weighbridge.model.facts import CacheStream, Layer
from weighbridge.units import ceil_div, minimum

Kept = Callable[[CacheStream, Any], Any]
Streams = Callable[[Layer], tuple[CacheStream, ...]]


def visible_tokens(stream: CacheStream, tokens: Any) -> Any:
    """Positions that a stream needs: all of them, or its window, one of every ``stride``."""
    seen = tokens if stream.window is None else minimum(tokens, stream.window)
    return seen if stream.stride == 1 else ceil_div(seen, stream.stride)


def every_token(stream: CacheStream, tokens: Any) -> Any:
    """Positions that an engine keeps which does not drop what has left the window."""
    return tokens if stream.stride == 1 else ceil_div(tokens, stream.stride)


def own_streams(layer: Layer) -> tuple[CacheStream, ...]:
    """The streams as the mixer states them."""
    return layer.mixer.cache


def cache_elements(
    layers: Iterable[tuple[Layer, int]],
    tokens: Any,
    *,
    kept: Kept = visible_tokens,
    streams: Streams = own_streams,
    encoder_tokens: Any = 0,
    image_tokens: Any = 0,
) -> Any:
    """Elements that ``layers`` (each with its count) hold for one sequence of ``tokens``.

    ``encoder_tokens`` are the positions that an encoder hands over once, ``image_tokens`` those
    that cross-attention layers keep of the sequence's images.
    """
    seen = {"sequence": tokens, "encoder": encoder_tokens, "image": image_tokens}
    total: Any = 0
    for layer, count in layers:
        for stream in streams(layer):
            total = total + count * stream.width * kept(stream, seen[stream.tokens_of])
    return total


def elements_per_token(
    layers: Iterable[tuple[Layer, int]], *, kept: Kept, streams: Streams = own_streams
) -> int:
    """What each further token costs once every window is full."""
    far = 2**40
    groups = list(layers)
    stride = 1
    for layer, _ in groups:
        for stream in streams(layer):
            stride = max(stride, stream.stride)
    ahead = cache_elements(groups, far + stride, kept=kept, streams=streams)
    return int((ahead - cache_elements(groups, far, kept=kept, streams=streams)) // stride)


def state_bytes(layers: Iterable[tuple[Layer, int]], model_bytes: int) -> int:
    """Bytes of recurrent and convolution states for one sequence."""
    return sum(
        count * state.elements * (4 if state.precision == "fp32" else model_bytes)
        for layer, count in layers
        for state in layer.mixer.state
    )
