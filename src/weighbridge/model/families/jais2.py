"""Jais 2: LayerNorm and biases throughout, a plain feed-forward (squared ReLU)."""

from __future__ import annotations

from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Shape,
    embedding,
    grouped_query_attention,
    intermediate_size,
    norm,
    plain_mlp,
    two_norms,
)


def read(config: Config) -> Model:
    """Jais2ForCausalLM."""
    shape = Shape(config)
    bias = config.boolean("attention bias", "attention_bias", default=True)
    return decoder(
        config,
        shape,
        mixers={None: grouped_query_attention(shape, bias=bias, out_bias=bias)},
        feed_forward=plain_mlp(
            "mlp.up_proj",
            "mlp.down_proj",
            shape.hidden,
            intermediate_size(config),
            bias=config.boolean("feed-forward bias", "mlp_bias", default=True),
        ),
        norms=two_norms(shape.hidden, bias=True),
        outer=(
            *embedding("model.embed_tokens", shape.vocab, shape.hidden),
            *norm("model.norm", shape.hidden, bias=True),
        ),
    )
