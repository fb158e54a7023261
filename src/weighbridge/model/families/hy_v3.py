"""Hunyuan 3 and Mellum 2: Qwen3's attention with routed experts (transformers, modeling_hy_v3.py
and modeling_mellum.py)."""

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
from weighbridge.model.families.routed import by_mlp_types, expert_numbers, routed, shared_width
from weighbridge.model.families.windows import all_sliding, by_layer_types, window_size


def read(config: Config) -> Model:
    """HYV3ForCausalLM: one dense layer, then experts with a shared one, in the files' names."""
    shape = Shape(config, head_dim=128)
    count, top_k = expert_numbers(config)
    width = config.integer("expert width", "moe_intermediate_size", default=1536)
    sparse = routed(
        shape.hidden,
        width,
        count,
        top_k,
        router="router.gate",
        shared=shared_width(config, width, 1),
        shared_name="shared_mlp",
    )
    bias = config.boolean("attention bias", "attention_bias", default=False)
    return decoder(
        config,
        shape,
        mixers={None: query_key_norm_attention(shape, bias=bias)},
        feed_forward=by_mlp_types(
            config, shape.layers, gated_mlp(shape.hidden, intermediate_size(config)), sparse, 1
        ),
    )


def read_mellum(config: Config) -> Model:
    """MellumForCausalLM: routed experts in every layer, windows only by ``layer_types``."""
    shape = Shape(config, head_dim=128)
    window = window_size(config, 1024)
    windows = by_layer_types(config, shape.layers, window) or all_sliding(shape.layers, None)
    count, top_k = expert_numbers(config)
    width = config.integer("expert width", "moe_intermediate_size", default=896)
    bias = config.boolean("attention bias", "attention_bias", default=False)
    return decoder(
        config,
        shape,
        mixers={
            each: query_key_norm_attention(shape, bias=bias, window=each) for each in set(windows)
        },
        windows=windows,
        feed_forward=by_mlp_types(
            config,
            shape.layers,
            gated_mlp(shape.hidden, intermediate_size(config)),
            routed(shape.hidden, width, count, top_k),
            0,
        ),
    )
