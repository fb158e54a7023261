"""LFM2 (arXiv:2511.23404), with experts, and LFM3: gated short convolutions between layers of
attention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weighbridge.model.config import COUNT, LAYERS, Config
from weighbridge.model.facts import FeedForward, Layer, Mixer, Model, Parameter
from weighbridge.model.families.hybrid import Size, frame, listed_kinds, stack
from weighbridge.model.families.mamba import convolution
from weighbridge.model.families.parts import (
    Parameters,
    Shape,
    attention,
    intermediate_size,
    linear,
    norm,
)
from weighbridge.model.families.windows import window_size
from weighbridge.model.feed_forward import Dense, MixtureOfExperts
from weighbridge.model.mixers.short_convolution import ShortConvolution
from weighbridge.units import ceil_div

NORMS = ("operator_norm", "ffn_norm")


def read_lfm2(config: Config) -> Model:
    """Lfm2ForCausalLM; the feed-forward's width is adjusted from the stated one."""
    shape = Shape(config)
    mixers = _mixers(config, shape, kernel=3)
    feed = _gated(shape.hidden, _adjusted_width(config))
    kinds = _kinds(config, mixers, shape.layers)
    norms = _norms(shape, NORMS)
    layers = stack(kinds, lambda kind: Layer(mixers[kind], feed, norms))
    return _frame(config, shape, layers)


def read_lfm2_moe(config: Config) -> Model:
    """Lfm2MoeForCausalLM: dense first layers, then experts."""
    shape = Shape(config)
    mixers, norms = _mixers(config, shape, kernel=3), _norms(shape, NORMS)
    first = config.integer("dense layers", "num_dense_layers", default=2, low=0, high=LAYERS)
    feeds: Mapping[bool, FeedForward] = {
        True: _gated(shape.hidden, intermediate_size(config)),
        False: _experts(config, shape.hidden),
    }
    kinds = _kinds(config, mixers, shape.layers)
    layers = stack(
        [(kind, index < first) for index, kind in enumerate(kinds)],
        lambda kind: Layer(mixers[kind[0]], feeds[kind[1]], norms),
    )
    return _frame(config, shape, layers)


def read_lfm3(config: Config) -> Model:
    """Lfm3ForCausalLM: norms after both halves, a gate on attention, every second layer of it
    sliding."""
    shape = Shape(config, head_dim=128)
    window = window_size(config, 256)
    bias = config.boolean("attention bias", "attention_bias", default=False)
    gate = config.boolean("attention gate", "use_attention_gate", default=True)
    parameters = (
        *_projections(shape, "o_proj", bias=bias),
        *norm("self_attn.q_norm", shape.head_dim),
        *norm("self_attn.k_norm", shape.head_dim),
        *(linear("self_attn.gate_proj", shape.heads, shape.hidden) if gate else ()),
    )
    mixers: dict[str, Mixer] = {
        "convolution": _convolution(config, shape.hidden, kernel=7),
        "full": attention(parameters, shape, None),
        "sliding": attention(parameters, shape, window),
    }
    kinds = listed_kinds(config, mixers, "layer_types", layers=shape.layers) or tuple(
        ("sliding" if index else "convolution", "convolution", "full", "convolution")[index % 4]
        for index in range(shape.layers)
    )
    sandwich = config.boolean("norms after", "use_sandwich_norm", default=True)
    names = (*NORMS, "post_operator_norm", "post_ffn_norm") if sandwich else NORMS
    feed, norms = _gated(shape.hidden, intermediate_size(config)), _norms(shape, names)
    return _frame(config, shape, stack(kinds, lambda kind: Layer(mixers[kind], feed, norms)))


def _frame(config: Config, shape: Shape, layers: tuple[Layer, ...]) -> Model:
    return frame(
        config,
        Size(config),
        layers,
        tied=True,
        norm_name="embedding_norm",
        rotary_width=shape.head_dim,
    )


def _norms(shape: Shape, names: tuple[str, ...]) -> Parameters:
    return tuple(each for name in names for each in norm(name, shape.hidden))


def _mixers(config: Config, shape: Shape, *, kernel: int) -> dict[str, Mixer]:
    parameters = (
        *_projections(shape, "out_proj", bias=False),
        *norm("self_attn.q_layernorm", shape.head_dim),
        *norm("self_attn.k_layernorm", shape.head_dim),
    )
    return {
        "convolution": _convolution(config, shape.hidden, kernel=kernel),
        "full": attention(parameters, shape, None),
    }


def _projections(shape: Shape, out: str, *, bias: bool) -> Parameters:
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    return (
        *linear("self_attn.q_proj", queries, shape.hidden, bias=bias),
        *linear("self_attn.k_proj", keys, shape.hidden, bias=bias),
        *linear("self_attn.v_proj", keys, shape.hidden, bias=bias),
        *linear(f"self_attn.{out}", shape.hidden, queries, bias=bias),
    )


def _convolution(config: Config, hidden: int, *, kernel: int) -> ShortConvolution:
    kernel = config.integer("convolution", "conv_L_cache", default=kernel, high=COUNT)
    bias = config.boolean("convolution bias", "conv_bias", default=False)
    parameters = (
        *convolution("conv.conv", hidden, kernel, bias=bias),
        *linear("conv.in_proj", 3 * hidden, hidden, bias=bias),
        *linear("conv.out_proj", hidden, hidden, bias=bias),
    )
    return ShortConvolution(parameters, hidden, kernel)


def _kinds(config: Config, mixers: Mapping[str, Any], layers: int) -> tuple[str, ...]:
    listed = listed_kinds(config, mixers, "layer_types", layers=layers)
    if listed is not None:
        return listed
    attending = config.integers("attending layers", "full_attn_idxs")
    if attending is None:
        return ("full",) * layers
    return tuple("full" if index in attending else "convolution" for index in range(layers))


def _gated(hidden: int, width: int) -> Dense:
    name = "feed_forward"
    return Dense(
        (
            *linear(f"{name}.w1", width, hidden),
            *linear(f"{name}.w3", width, hidden),
            *linear(f"{name}.w2", hidden, width),
        ),
        width,
        gated=True,
    )


def _adjusted_width(config: Config) -> int:
    """Two thirds of the stated width, scaled, and rounded up to ``block_multiple_of``."""
    width = config.integer("feed-forward width", "block_ff_dim", "intermediate_size")
    if not config.boolean("adjusted width", "block_auto_adjust_ff_dim", default=True):
        return width
    width = 2 * width // 3
    factor = config.raw.get("block_ffn_dim_multiplier", 1.0)
    if factor is not None:
        if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 < factor < 100:
            raise config.refuse("block_ffn_dim_multiplier", "is no factor")
        multiple = config.integer("width multiple", "block_multiple_of", default=256)
        width = ceil_div(int(factor * width), multiple) * multiple
    return width


def _experts(config: Config, hidden: int) -> MixtureOfExperts:
    count = config.integer("experts", "num_experts", default=32, high=COUNT)
    width = config.integer("expert width", "moe_intermediate_size", default=1792)
    name = "feed_forward.experts.{expert}"
    return MixtureOfExperts(
        (
            *linear("feed_forward.gate", count, hidden, role="router"),
            Parameter(f"{name}.w1.weight", (width, hidden), "expert", count),
            Parameter(f"{name}.w3.weight", (width, hidden), "expert", count),
            Parameter(f"{name}.w2.weight", (hidden, width), "expert", count),
        ),
        experts=count,
        top_k=config.integer("experts per token", "num_experts_per_tok", default=4, high=count),
        intermediate=width,
    )
