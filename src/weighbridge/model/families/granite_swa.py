"""Granite with sliding windows: Llama's shape, attention sinks, three sliding layers in four."""

from __future__ import annotations

from weighbridge.model.config import Config
from weighbridge.model.facts import Model, Parameter
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Shape,
    gated_mlp,
    grouped_query_attention,
    intermediate_size,
)
from weighbridge.model.families.windows import by_layer_types, window_size


def read(config: Config) -> Model:
    """GraniteSWAForCausalLM: each first layer of four is full, the others slide."""
    shape = Shape(config)
    bias = config.boolean("attention bias", "attention_bias", default=False)
    window = window_size(config, 128)
    windows = by_layer_types(config, shape.layers, window) or tuple(
        window if index % 4 else None for index in range(shape.layers)
    )
    sinks = (Parameter("self_attn.sinks", (shape.heads,), "other"),)
    return decoder(
        config,
        shape,
        mixers={
            each: grouped_query_attention(shape, bias=bias, out_bias=bias, window=each, extra=sinks)
            for each in windows
        },
        feed_forward=gated_mlp(
            shape.hidden,
            intermediate_size(config),
            bias=config.boolean("feed-forward bias", "mlp_bias", default=False),
        ),
        windows=windows,
        tied=True,
    )
