"""Llama 1 to 3.3 and every model that keeps its shape (Yi, SmolLM, TinyLlama, CodeLlama, …)."""

from __future__ import annotations

from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import Shape, gated_mlp, grouped_query_attention
from weighbridge.model.families.parts import intermediate_size as width


def read(config: Config) -> Model:
    """LlamaForCausalLM: one KV layout, biases only where the config says so."""
    shape = Shape(config)
    bias = config.boolean("attention bias", "attention_bias", default=False)
    return decoder(
        config,
        shape,
        mixers={None: grouped_query_attention(shape, bias=bias, out_bias=bias)},
        feed_forward=gated_mlp(
            shape.hidden,
            width(config),
            bias=config.boolean("feed-forward bias", "mlp_bias", default=False),
        ),
    )
