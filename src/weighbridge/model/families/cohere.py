"""Command R, R+, A and Aya: attention and feed-forward side by side behind one norm, tied heads."""

from __future__ import annotations

from weighbridge.model.config import Config
from weighbridge.model.facts import Model, Parameter
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Parameters,
    Shape,
    gated_mlp,
    grouped_query_attention,
    intermediate_size,
    norm,
)
from weighbridge.model.families.windows import by_layer_types, every_nth_full, window_size


def read(config: Config) -> Model:
    """CohereForCausalLM; ``use_qk_norm`` gives every head a norm of its own."""
    shape = Shape(config)
    normed = config.boolean("query and key norms", "use_qk_norm", default=False)
    return _frame(config, shape, (None,), _head_norms(shape) if normed else ())


def read_cohere2(config: Config) -> Model:
    """Cohere2ForCausalLM: three sliding layers to each full one."""
    shape = Shape(config)
    window = window_size(config, 4096)
    period = config.integer("window period", "sliding_window_pattern", default=4)
    windows = by_layer_types(config, shape.layers, window) or every_nth_full(
        shape.layers, period, window
    )
    return _frame(config, shape, windows, ())


def _frame(
    config: Config, shape: Shape, windows: tuple[int | None, ...], extra: Parameters
) -> Model:
    bias = config.boolean("attention bias", "attention_bias", default=False)
    return decoder(
        config,
        shape,
        mixers={
            each: grouped_query_attention(shape, bias=bias, out_bias=bias, window=each, extra=extra)
            for each in windows
        },
        feed_forward=gated_mlp(shape.hidden, intermediate_size(config)),
        windows=windows if len(windows) == shape.layers else None,
        norms=norm("input_layernorm", shape.hidden),
        tied=True,
        softcapped=False,
    )


def _head_norms(shape: Shape) -> Parameters:
    return (
        Parameter("self_attn.q_norm.weight", (shape.heads, shape.head_dim), "norm"),
        Parameter("self_attn.k_norm.weight", (shape.kv_heads, shape.head_dim), "norm"),
    )
