"""Qwen1.5-MoE and Qwen2-57B-A14B: Qwen2's attention, routed experts and a gated shared expert."""

from __future__ import annotations

from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.moe import mixture, sparse_by_step
from weighbridge.model.families.parts import (
    Shape,
    gated_mlp,
    grouped_query_attention,
    intermediate_size,
    linear,
)
from weighbridge.model.families.qwen2 import qwen_windows


def read(config: Config) -> Model:
    """Qwen2MoeForCausalLM; the shared expert has a gate of its own."""
    shape = Shape(config)
    bias = config.boolean("q, k, v bias", "qkv_bias", default=True)
    windows = qwen_windows(config, shape.layers)
    sparse = mixture(
        config,
        shape.hidden,
        shared=config.integer("shared expert width", "shared_expert_intermediate_size"),
        shared_name="mlp.shared_expert",
        extra=linear("mlp.shared_expert_gate", 1, shape.hidden, role="router"),
    )
    dense = gated_mlp(shape.hidden, intermediate_size(config))
    return decoder(
        config,
        shape,
        mixers={
            window: grouped_query_attention(shape, bias=bias, window=window) for window in windows
        },
        feed_forward=sparse_by_step(config, dense, sparse),
        windows=windows,
    )
