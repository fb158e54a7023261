"""Qwen3 dense: an explicit head dim of 128, norms on queries and keys, no biases."""

from __future__ import annotations

from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Shape,
    gated_mlp,
    intermediate_size,
    query_key_norm_attention,
)
from weighbridge.model.families.qwen2 import qwen_windows


def read(config: Config) -> Model:
    """Qwen3ForCausalLM."""
    shape = Shape(config, head_dim=128)
    bias = config.boolean("attention bias", "attention_bias", default=False)
    windows = qwen_windows(config, shape.layers)
    return decoder(
        config,
        shape,
        mixers={
            window: query_key_norm_attention(shape, bias=bias, window=window) for window in windows
        },
        feed_forward=gated_mlp(shape.hidden, intermediate_size(config)),
        windows=windows,
    )
