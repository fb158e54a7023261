"""Activations of one forward pass without gradients: what is alive at the worst moment.

Counted in elements of the activations' dtype for ``batch`` sequences of ``tokens`` new tokens
that see ``keys`` positions. The residual stream is held four times while a layer's widest part
runs (the embeddings and the layer's input in the callers, the residual and its normed copy).
"""

from __future__ import annotations

from typing import Any

from weighbridge.model.facts import Layer, Model
from weighbridge.units import maximum

RESIDUAL_COPIES = 4


def feed_forward_elements(model: Model, layer: Layer, batch: Any, tokens: Any) -> Any:
    """The feed-forward at its widest, with the residual copies beside it."""
    return batch * tokens * (layer.feed_forward.live_width + RESIDUAL_COPIES * model.hidden)


def attention_elements(model: Model, layer: Layer, batch: Any, tokens: Any) -> Any:
    """Attention at its widest, score matrix apart, with the residual copies beside it."""
    return batch * tokens * (layer.mixer.live_width + RESIDUAL_COPIES * model.hidden)


def score_bytes(layer: Layer, batch: Any, tokens: Any, keys: Any, element: int) -> Any:
    """Bytes of eager attention's score matrices: the masked scores in the activations' dtype,
    their softmax in fp32, and its copy back (transformers, ``eager_attention_forward``)."""
    return batch * layer.mixer.score_heads * tokens * keys * (2 * element + 4)


def rotary_elements(model: Model, batch: Any, tokens: Any) -> Any:
    """The cosines and sines that a forward pass computes once for all layers."""
    return batch * tokens * 2 * model.rotary_width


def widest(values: list[Any]) -> Any:
    """The largest of several byte counts, element by element for arrays."""
    result = values[0]
    for value in values[1:]:
        result = maximum(result, value)
    return result
