"""ERNIE 4.5 dense: Llama's shape with one switch for all biases and tied heads."""

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
    """Ernie4_5ForCausalLM; the class default of the head dim is 128."""
    shape = Shape(config, head_dim=128)
    bias = config.boolean("biases", "use_bias", default=False)
    return decoder(
        config,
        shape,
        mixers={None: grouped_query_attention(shape, bias=bias, out_bias=bias)},
        feed_forward=gated_mlp(shape.hidden, intermediate_size(config), bias=bias),
        tied=True,
    )
