"""Seed-OSS: Llama's shape with biases on q, k and v and a switch for the output's."""

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


def read(config: Config) -> Model:
    """SeedOssForCausalLM."""
    shape = Shape(config, head_dim=128)
    return decoder(
        config,
        shape,
        mixers={
            None: grouped_query_attention(
                shape,
                bias=config.boolean("attention bias", "attention_bias", default=True),
                out_bias=config.boolean("output bias", "attention_out_bias", default=False),
            )
        },
        feed_forward=gated_mlp(
            shape.hidden,
            intermediate_size(config),
            bias=config.boolean("feed-forward bias", "mlp_bias", default=False),
        ),
    )
