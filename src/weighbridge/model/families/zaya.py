"""ZAYA1 (arXiv:2511.17127): convolved attention and experts behind a router with a memory of the
layer before, in every layer."""

from __future__ import annotations

from weighbridge.model.config import COUNT, Config
from weighbridge.model.facts import Layer, Model, Parameter
from weighbridge.model.families.hybrid import Size, frame, listed_kinds, stack
from weighbridge.model.families.parts import Parameters, Shape, experts, linear, norm, two_norms
from weighbridge.model.families.windows import window_size
from weighbridge.model.feed_forward import MixtureOfExperts
from weighbridge.model.mixers.convolved import ConvolvedAttention

SCALES = ("hidden_states_scale", "hidden_states_bias", "residual_scale", "residual_bias")


def read(config: Config) -> Model:
    """ZayaForCausalLM; one choice of the router is to skip the experts."""
    shape = Shape(config, head_dim=128)
    window = window_size(config, None)
    mixers = {
        "hybrid": _attention(config, shape, None),
        "hybrid_sliding": _attention(config, shape, window),
    }
    kinds = listed_kinds(config, mixers, "layer_types", layers=shape.layers) or (
        ("hybrid",) * shape.layers
    )
    if window is None and "hybrid_sliding" in kinds:
        raise config.refuse("layer_types", "names sliding layers, but sliding_window is not set")
    norms = (*two_norms(shape.hidden), *_residual_scales(shape.hidden))
    first, later = (_experts(config, shape.hidden, first=first) for first in (True, False))
    layers = stack(
        [(kind, index == 0) for index, kind in enumerate(kinds)],
        lambda kind: Layer(mixers[kind[0]], first if kind[1] else later, norms),
    )
    return frame(
        config,
        Size(config),
        layers,
        tied=True,
        extra=(
            Parameter("input_hidden_states_scale", (shape.hidden,), "other"),
            Parameter("input_hidden_states_bias", (shape.hidden,), "other"),
        ),
        rotary_width=shape.head_dim // 2,
    )


def _residual_scales(hidden: int) -> Parameters:
    return tuple(
        Parameter(f"post_{half}_residual_scale.{scale}", (hidden,), "other")
        for half in ("attention", "mlp")
        for scale in SCALES
    )


def _attention(config: Config, shape: Shape, window: int | None) -> ConvolvedAttention:
    bias = config.boolean("attention bias", "attention_bias", default=False)
    first = config.integer("first convolution", "cca_time0", default=2, high=COUNT)
    second = config.integer("second convolution", "cca_time1", default=2, high=COUNT)
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    channels, name = queries + keys, "self_attn.qkv_proj."
    parameters = (
        *linear("self_attn.o_proj", shape.hidden, queries, bias=bias),
        *linear(f"{name}q_proj", queries, shape.hidden, bias=bias),
        *linear(f"{name}k_proj", keys, shape.hidden, bias=bias),
        *linear(f"{name}v_proj_current", keys // 2, shape.hidden, bias=bias),
        *linear(f"{name}v_proj_delayed", keys // 2, shape.hidden, bias=bias),
        Parameter(f"{name}conv_qk_depthwise.weight", (channels, 1, first), "other"),
        Parameter(f"{name}conv_qk_depthwise.bias", (channels,), "bias"),
        Parameter(f"{name}conv_qk_grouped.weight", (channels, shape.head_dim, second), "other"),
        Parameter(f"{name}conv_qk_grouped.bias", (channels,), "bias"),
        Parameter("self_attn.qk_norm.temp", (shape.kv_heads,), "other"),
    )
    return ConvolvedAttention(
        parameters, shape.heads, shape.kv_heads, shape.head_dim, first + second - 1, window
    )


def _experts(config: Config, hidden: int, *, first: bool) -> MixtureOfExperts:
    """The router is a small network; from the second layer on it adds what the last one found."""
    count = config.integer("experts", "num_experts", default=16, high=COUNT)
    width = config.integer("expert width", "moe_intermediate_size", default=2048)
    inner = config.integer("router width", "router_hidden_size", default=256)
    memory = () if first else (Parameter("mlp.gate.router_states_scale", (inner,), "other"),)
    name = "mlp.gate.router_mlp."
    return MixtureOfExperts(
        (
            *memory,
            *linear("mlp.gate.down_proj", inner, hidden, bias=True, role="router"),
            *norm(f"{name}norm", inner),
            *linear(f"{name}fc1", inner, inner, bias=True, role="router"),
            *linear(f"{name}fc2", inner, inner, bias=True, role="router"),
            *linear(f"{name}out_proj", count + 1, inner, role="router"),
            *experts("mlp.experts.{expert}", hidden, width, count),
        ),
        experts=count,
        top_k=config.integer("experts per token", "num_experts_per_tok", default=1, high=count),
        intermediate=width,
    )
