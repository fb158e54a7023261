"""Arcee's AFM: Llama's attention with a plain feed-forward (squared ReLU, arXiv:2109.08668)."""

from __future__ import annotations

from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Shape,
    grouped_query_attention,
    intermediate_size,
    plain_mlp,
)


def read(config: Config) -> Model:
    """ArceeForCausalLM."""
    shape = Shape(config)
    bias = config.boolean("attention bias", "attention_bias", default=False)
    return decoder(
        config,
        shape,
        mixers={None: grouped_query_attention(shape, bias=bias, out_bias=bias)},
        feed_forward=plain_mlp(
            "mlp.up_proj",
            "mlp.down_proj",
            shape.hidden,
            intermediate_size(config),
            bias=config.boolean("feed-forward bias", "mlp_bias", default=False),
        ),
    )
