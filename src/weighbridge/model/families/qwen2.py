"""Qwen1.5, Qwen2, Qwen2.5 and QwQ: Llama's shape with biases on q, k and v."""

from __future__ import annotations

from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Shape,
    gated_mlp,
    grouped_query_attention,
    intermediate_size,
)
from weighbridge.model.families.windows import Windows, all_sliding, by_layer_types, window_size


def read(config: Config) -> Model:
    """Qwen2ForCausalLM; windows count only where ``use_sliding_window`` is true."""
    shape = Shape(config)
    windows = qwen_windows(config, shape.layers)
    return decoder(
        config,
        shape,
        mixers={
            window: grouped_query_attention(shape, bias=True, window=window) for window in windows
        },
        feed_forward=gated_mlp(shape.hidden, intermediate_size(config)),
        windows=windows,
    )


def qwen_windows(config: Config, layers: int) -> Windows:
    """The window per layer: none unless ``use_sliding_window``, then from ``layer_types`` or from
    the ``max_window_layers``-th layer on (transformers, configuration_qwen2.py)."""
    if not config.boolean("windows used", "use_sliding_window", default=False):
        return all_sliding(layers, None)
    window = window_size(config, 4096)
    listed = by_layer_types(config, layers, window)
    if listed is not None:
        return listed
    full = config.integer("layers before windows", "max_window_layers", default=28, low=0)
    return tuple(None if index < full else window for index in range(layers))
