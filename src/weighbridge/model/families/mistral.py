"""Mistral 7B, Nemo, Small, Large: Llama's shape with an optional window on all layers."""

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
from weighbridge.model.families.windows import all_sliding, by_layer_types, window_size


def read(config: Config) -> Model:
    """MistralForCausalLM; a missing ``sliding_window`` means the class default 4096, null none."""
    shape = Shape(config)
    window = window_size(config, 4096)
    windows = by_layer_types(config, shape.layers, window) or all_sliding(shape.layers, window)
    return decoder(
        config,
        shape,
        mixers={each: grouped_query_attention(shape, window=each) for each in windows},
        feed_forward=gated_mlp(shape.hidden, intermediate_size(config)),
        windows=windows,
    )
