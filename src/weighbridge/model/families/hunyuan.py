"""Hunyuan dense (0.5B to 7B): Llama's shape with norms over each head's queries and keys."""

from __future__ import annotations

from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Shape,
    gated_mlp,
    grouped_query_attention,
    intermediate_size,
    norm,
)


def read(config: Config) -> Model:
    """HunYuanDenseV1ForCausalLM."""
    shape = Shape(config)
    bias = config.boolean("attention bias", "attention_bias", default=False)
    norms = (
        *norm("self_attn.query_layernorm", shape.head_dim),
        *norm("self_attn.key_layernorm", shape.head_dim),
    )
    return decoder(
        config,
        shape,
        mixers={None: grouped_query_attention(shape, bias=bias, out_bias=bias, extra=norms)},
        feed_forward=gated_mlp(shape.hidden, intermediate_size(config)),
    )
