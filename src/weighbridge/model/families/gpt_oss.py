"""gpt-oss: attention with sinks, every second layer sliding, fused experts with biases."""

from __future__ import annotations

from weighbridge.model.config import COUNT, Config
from weighbridge.model.facts import Model, Parameter
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Shape,
    grouped_query_attention,
    intermediate_size,
    linear,
)
from weighbridge.model.families.windows import by_layer_types, every_nth_full, window_size
from weighbridge.model.feed_forward import MixtureOfExperts


def read(config: Config) -> Model:
    """GptOssForCausalLM; experts are stored as one tensor for all of them."""
    shape = Shape(config, head_dim=64)
    window = window_size(config, 128)
    windows = by_layer_types(config, shape.layers, window) or every_nth_full(
        shape.layers, 2, window
    )
    bias = config.boolean("attention bias", "attention_bias", default=True)
    sinks = (Parameter("self_attn.sinks", (shape.heads,), "other"),)
    return decoder(
        config,
        shape,
        mixers={
            each: grouped_query_attention(shape, bias=bias, out_bias=bias, window=each, extra=sinks)
            for each in windows
        },
        feed_forward=_experts(config, shape.hidden),
        windows=windows,
    )


def _experts(config: Config, hidden: int) -> MixtureOfExperts:
    count = config.integer("experts", "num_local_experts", "num_experts", default=128, high=COUNT)
    width = intermediate_size(config)
    return MixtureOfExperts(
        (
            *linear("mlp.router", count, hidden, bias=True, role="router"),
            Parameter("mlp.experts.gate_up_proj", (count, hidden, 2 * width), "expert"),
            Parameter("mlp.experts.gate_up_proj_bias", (count, 2 * width), "bias"),
            Parameter("mlp.experts.down_proj", (count, width, hidden), "expert"),
            Parameter("mlp.experts.down_proj_bias", (count, hidden), "bias"),
        ),
        experts=count,
        top_k=config.integer(
            "experts per token", "num_experts_per_tok", "experts_per_token", default=4, high=count
        ),
        intermediate=width,
    )
