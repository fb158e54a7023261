"""Snowflake Arctic: a dense feed-forward in every layer, and routed experts beside it
(Snowflake's modeling_arctic.py; Transformers has no class for it)."""

from __future__ import annotations

from dataclasses import replace

from weighbridge.model.config import Config
from weighbridge.model.facts import FeedForward, Model, Parameter
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Parameters,
    Shape,
    grouped_query_attention,
    intermediate_size,
    linear,
    norm,
)
from weighbridge.model.families.routed import expert_numbers, routed
from weighbridge.model.feed_forward import Dense


def read(config: Config) -> Model:
    """ArcticForCausalLM: sparse at every ``moe_layer_frequency``-th layer."""
    shape = Shape(config)
    hidden, width = shape.hidden, intermediate_size(config)
    beside = config.boolean("dense beside", "parallel_attn_mlp_res", default=False)
    count, top_k = expert_numbers(config)
    extra: Parameters = ()
    if beside:
        extra = (*_mlp("residual_mlp.", hidden, hidden), *norm("residual_layernorm", hidden))
    sparse = replace(
        routed(
            hidden,
            width,
            count,
            top_k,
            prefix="block_sparse_moe.",
            names=("w1", "w3", "w2"),
            extra=extra,
        ),
        shared_intermediate=hidden if beside else 0,
    )
    dense = Dense(_mlp("block_sparse_moe.mlp.", hidden, width), width, gated=True)
    step = config.integer("sparse step", "moe_layer_frequency", default=2)

    def at(index: int) -> FeedForward:
        return sparse if (index + 1) % step == 0 else dense

    bias = config.boolean("attention bias", "attention_bias", default=False)
    mixer = grouped_query_attention(shape, bias=bias, out_bias=bias)
    return decoder(config, shape, mixers={None: mixer}, feed_forward=at)


def _mlp(prefix: str, hidden: int, width: int) -> tuple[Parameter, ...]:
    return (
        *linear(f"{prefix}w1", width, hidden),
        *linear(f"{prefix}w2", hidden, width),
        *linear(f"{prefix}w3", width, hidden),
    )
