"""OLMo Hybrid: three layers of Gated DeltaNet to one of attention with norms after it."""

from __future__ import annotations

from weighbridge.model.config import COUNT, Config
from weighbridge.model.facts import Layer, Model, Parameter
from weighbridge.model.families.hybrid import Size, every_nth, frame, listed_kinds, stack
from weighbridge.model.families.mamba import convolution
from weighbridge.model.families.parts import (
    Parameters,
    Shape,
    gated_mlp,
    grouped_query_attention,
    intermediate_size,
    linear,
    norm,
)
from weighbridge.model.mixers.delta_net import GatedDeltaNet


def read(config: Config) -> Model:
    """OlmoHybridForCausalLM; queries and keys are normalised over all heads together."""
    shape = Shape(config)
    bias = config.boolean("attention bias", "attention_bias", default=False)
    extra = (
        *norm("self_attn.q_norm", shape.heads * shape.head_dim),
        *norm("self_attn.k_norm", shape.kv_heads * shape.head_dim),
    )
    feed = gated_mlp(shape.hidden, intermediate_size(config))
    made = {
        "recurrent": Layer(
            _delta_net(config, shape),
            feed,
            _norms(shape, "attention_layer_norm", "feedforward_layer_norm"),
        ),
        "full": Layer(
            grouped_query_attention(shape, bias=bias, out_bias=bias, extra=extra),
            feed,
            _norms(shape, "post_attention_layernorm", "post_feedforward_layernorm"),
        ),
    }
    kinds = listed_kinds(config, made, "layer_types", layers=shape.layers) or (
        *every_nth(shape.layers - 1, 4, 3, "full", "recurrent"),
        "full" if shape.layers % 4 == 0 or shape.layers < 4 else "recurrent",
    )
    rotary = config.raw.get("rope_parameters", {}) is not None
    return frame(
        config,
        Size(config),
        stack(kinds, made.__getitem__),
        rotary_width=shape.head_dim if rotary else 0,
    )


def _norms(shape: Shape, first: str, second: str) -> Parameters:
    return (*norm(first, shape.hidden), *norm(second, shape.hidden))


def _delta_net(config: Config, shape: Shape) -> GatedDeltaNet:
    """Three convolutions for queries, keys and values, which Transformers joins into one."""
    heads = config.integer("key heads", "linear_num_key_heads", default=shape.heads, high=COUNT)
    value_heads = config.integer(
        "value heads", "linear_num_value_heads", default=shape.heads, high=COUNT
    )
    key_dim = config.integer(
        "key dim", "linear_key_head_dim", default=3 * shape.hidden // (4 * heads)
    )
    value_dim = config.integer("value dim", "linear_value_head_dim", default=2 * key_dim)
    kernel = config.integer("convolution", "linear_conv_kernel_dim", default=4, high=COUNT)
    keys, values, name = heads * key_dim, value_heads * value_dim, "linear_attn."
    parameters = (
        Parameter(f"{name}A_log", (value_heads,), "other"),
        Parameter(f"{name}dt_bias", (value_heads,), "other"),
        *linear(f"{name}q_proj", keys, shape.hidden),
        *linear(f"{name}k_proj", keys, shape.hidden),
        *linear(f"{name}v_proj", values, shape.hidden),
        *linear(f"{name}a_proj", value_heads, shape.hidden),
        *linear(f"{name}b_proj", value_heads, shape.hidden),
        *linear(f"{name}g_proj", values, shape.hidden),
        *linear(f"{name}o_proj", shape.hidden, values),
        *convolution(f"{name}q_conv1d", keys, kernel, bias=False),
        *convolution(f"{name}k_conv1d", keys, kernel, bias=False),
        *convolution(f"{name}v_conv1d", values, kernel, bias=False),
        *norm(f"{name}o_norm", value_dim),
    )
    return GatedDeltaNet(parameters, heads, value_heads, key_dim, value_dim, kernel)
