"""Apertus: norms on queries and keys, a plain feed-forward whose activation has two parameters."""

from __future__ import annotations

from weighbridge.model.config import Config
from weighbridge.model.facts import Model, Parameter
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Shape,
    intermediate_size,
    norm,
    plain_mlp,
    query_key_norm_attention,
)
from weighbridge.model.feed_forward import Dense


def read(config: Config) -> Model:
    """ApertusForCausalLM; xIELU (arXiv:2411.13010) trains alpha_p and alpha_n."""
    shape = Shape(config)
    bias = config.boolean("attention bias", "attention_bias", default=False)
    width = intermediate_size(config)
    plain = plain_mlp("mlp.up_proj", "mlp.down_proj", shape.hidden, width, bias=False)
    activation = (
        Parameter("mlp.act_fn.alpha_p", (1,), "other"),
        Parameter("mlp.act_fn.alpha_n", (1,), "other"),
    )
    return decoder(
        config,
        shape,
        mixers={None: query_key_norm_attention(shape, bias=bias)},
        feed_forward=Dense((*plain.parameters, *activation), width, gated=False),
        norms=(
            *norm("attention_layernorm", shape.hidden),
            *norm("feedforward_layernorm", shape.hidden),
        ),
    )
