"""Gemma 1, 2 and 3: tied heads, head dim of their own, windows by layer from Gemma 2 on."""

from __future__ import annotations

from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Parameters,
    Shape,
    gated_mlp,
    grouped_query_attention,
    intermediate_size,
    norm,
    query_key_norm_attention,
)
from weighbridge.model.families.windows import by_layer_types, every_nth_full, window_size


def read_gemma(config: Config) -> Model:
    """GemmaForCausalLM."""
    shape = Shape(config, head_dim=256)
    bias = config.boolean("attention bias", "attention_bias", default=False)
    return decoder(
        config,
        shape,
        mixers={None: grouped_query_attention(shape, bias=bias, out_bias=bias)},
        feed_forward=gated_mlp(shape.hidden, intermediate_size(config)),
        tied=True,
    )


def read_gemma2(config: Config) -> Model:
    """Gemma2ForCausalLM: every second layer slides, four norms a layer, soft-capped logits."""
    shape = Shape(config, head_dim=256)
    bias = config.boolean("attention bias", "attention_bias", default=False)
    window = window_size(config, 4096)
    windows = by_layer_types(config, shape.layers, window) or every_nth_full(
        shape.layers, 2, window
    )
    return decoder(
        config,
        shape,
        mixers={
            each: grouped_query_attention(shape, bias=bias, out_bias=bias, window=each)
            for each in windows
        },
        feed_forward=gated_mlp(shape.hidden, intermediate_size(config)),
        windows=windows,
        norms=four_norms(shape.hidden),
        tied=True,
        softcapped=True,
    )


def read_gemma3(config: Config) -> Model:
    """Gemma3ForCausalLM: five sliding layers to each full one, norms on queries and keys."""
    shape = Shape(config, head_dim=256)
    bias = config.boolean("attention bias", "attention_bias", default=False)
    window = window_size(config, 4096)
    period = config.integer(
        "window period", "sliding_window_pattern", "_sliding_window_pattern", default=6
    )
    windows = by_layer_types(config, shape.layers, window) or every_nth_full(
        shape.layers, period, window
    )
    return decoder(
        config,
        shape,
        mixers={each: query_key_norm_attention(shape, bias=bias, window=each) for each in windows},
        feed_forward=gated_mlp(shape.hidden, intermediate_size(config)),
        windows=windows,
        norms=four_norms(shape.hidden),
        tied=True,
    )


def four_norms(hidden: int) -> Parameters:
    """Norms before and after both attention and feed-forward."""
    return (
        *norm("input_layernorm", hidden),
        *norm("post_attention_layernorm", hidden),
        *norm("pre_feedforward_layernorm", hidden),
        *norm("post_feedforward_layernorm", hidden),
    )
