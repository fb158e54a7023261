"""Qwen3 mixtures (30B-A3B, 235B-A22B, Coder-480B): Qwen3's attention, routed experts only."""

from __future__ import annotations

from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.moe import mixture, sparse_by_step
from weighbridge.model.families.parts import (
    Shape,
    gated_mlp,
    intermediate_size,
    query_key_norm_attention,
)
from weighbridge.model.families.qwen2 import qwen_windows


def read(config: Config) -> Model:
    """Qwen3MoeForCausalLM."""
    shape = Shape(config)
    bias = config.boolean("attention bias", "attention_bias", default=False)
    windows = qwen_windows(config, shape.layers)
    dense = gated_mlp(shape.hidden, intermediate_size(config))
    return decoder(
        config,
        shape,
        mixers={
            window: query_key_norm_attention(shape, bias=bias, window=window) for window in windows
        },
        feed_forward=sparse_by_step(config, dense, mixture(config, shape.hidden)),
        windows=windows,
    )
