"""Qwen3-Next: three layers of Gated DeltaNet to one of gated attention, all with experts."""

from __future__ import annotations

from collections.abc import Callable

from weighbridge.model.config import COUNT, LAYERS, Config
from weighbridge.model.facts import FeedForward, Layer, Model, Parameter
from weighbridge.model.families.hybrid import Size, every_nth, frame, listed_kinds, stack
from weighbridge.model.families.mamba import convolution
from weighbridge.model.families.moe import mixture, sparse_by_step
from weighbridge.model.families.parts import (
    Parameters,
    Shape,
    attention,
    gated_mlp,
    intermediate_size,
    linear,
    norm,
    two_norms,
)
from weighbridge.model.feed_forward import MixtureOfExperts
from weighbridge.model.mixers.delta_net import GatedDeltaNet
from weighbridge.model.mixers.full import FullAttention
from weighbridge.model.mixers.sliding import SlidingAttention

PARTIAL_ROTARY = 4


def read(config: Config) -> Model:
    """Qwen3NextForCausalLM; the projections of one DeltaNet layer are stored in two tensors."""
    sparse = experts_with_shared(config, config.integer("hidden size", "hidden_size"))
    feeds: FeedForward | Callable[[int], FeedForward] = sparse
    if config.raw.get("mlp_only_layers") or config.raw.get("decoder_sparse_step", 1) != 1:
        hidden = config.integer("hidden size", "hidden_size")
        feeds = sparse_by_step(config, gated_mlp(hidden, intermediate_size(config)), sparse)
    return gated_hybrid(config, feeds, fused=True)


def gated_hybrid(
    config: Config, feeds: FeedForward | Callable[[int], FeedForward], *, fused: bool
) -> Model:
    """The text model of Qwen3-Next and Qwen3.5, by what follows its mixers."""
    shape = Shape(config, head_dim=256)
    mixers = {
        "recurrent": gated_delta_net(config, shape.hidden, fused=fused),
        "full": _gated_attention(config, shape),
    }
    period = config.integer("attention period", "full_attention_interval", default=4, high=LAYERS)
    kinds = listed_kinds(config, mixers, "layer_types", layers=shape.layers) or every_nth(
        shape.layers, period, period - 1, "full", "recurrent"
    )
    norms = two_norms(shape.hidden)

    def feed(index: int) -> FeedForward:
        return feeds(index) if callable(feeds) else feeds

    found = {id(feed(index)): feed(index) for index in range(shape.layers)}
    layers = stack(
        [(kind, id(feed(index))) for index, kind in enumerate(kinds)],
        lambda kind: Layer(mixers[kind[0]], found[kind[1]], norms),
    )
    return frame(config, Size(config), layers, rotary_width=shape.head_dim // PARTIAL_ROTARY)


def experts_with_shared(config: Config, hidden: int) -> MixtureOfExperts:
    """Routed experts beside a shared one with a gate of its own."""
    return mixture(
        config,
        hidden,
        shared=config.integer("shared expert width", "shared_expert_intermediate_size"),
        shared_name="mlp.shared_expert",
        extra=linear("mlp.shared_expert_gate", 1, hidden, role="router"),
    )


def _gated_attention(config: Config, shape: Shape) -> FullAttention | SlidingAttention:
    """Attention whose query projection also makes the gate of its output."""
    bias = config.boolean("attention bias", "attention_bias", default=False)
    parameters = gated_attention_parameters(shape, bias=bias)
    return attention(parameters, shape, None)


def gated_attention_parameters(shape: Shape, *, bias: bool = False) -> Parameters:
    """q (twice as wide), k, v and o with a norm over each head's queries and keys."""
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    return (
        *linear("self_attn.q_proj", 2 * queries, shape.hidden, bias=bias),
        *linear("self_attn.k_proj", keys, shape.hidden, bias=bias),
        *linear("self_attn.v_proj", keys, shape.hidden, bias=bias),
        *linear("self_attn.o_proj", shape.hidden, queries, bias=bias),
        *norm("self_attn.q_norm", shape.head_dim),
        *norm("self_attn.k_norm", shape.head_dim),
    )


def gated_delta_net(config: Config, hidden: int, *, fused: bool) -> GatedDeltaNet:
    """Its projections, fused as Qwen3-Next stores them or apart as Qwen3.5 does."""
    key_heads = config.integer("key heads", "linear_num_key_heads", default=16, high=COUNT)
    value_heads = config.integer("value heads", "linear_num_value_heads", default=32, high=COUNT)
    key_dim = config.integer("key dim", "linear_key_head_dim", default=128)
    value_dim = config.integer("value dim", "linear_value_head_dim", default=128)
    kernel = config.integer("convolution", "linear_conv_kernel_dim", default=4, high=COUNT)
    if value_heads % key_heads:
        raise config.refuse(
            "linear_num_key_heads", f"does not divide the {value_heads} value heads"
        )
    channels, values = 2 * key_heads * key_dim + value_heads * value_dim, value_heads * value_dim
    name = "linear_attn."
    projections = (
        (
            *linear(f"{name}in_proj_qkvz", channels + values, hidden),
            *linear(f"{name}in_proj_ba", 2 * value_heads, hidden),
        )
        if fused
        else (
            *linear(f"{name}in_proj_qkv", channels, hidden),
            *linear(f"{name}in_proj_z", values, hidden),
            *linear(f"{name}in_proj_b", value_heads, hidden),
            *linear(f"{name}in_proj_a", value_heads, hidden),
        )
    )
    parameters = (
        Parameter(f"{name}dt_bias", (value_heads,), "other"),
        Parameter(f"{name}A_log", (value_heads,), "other"),
        *convolution(f"{name}conv1d", channels, kernel, bias=False),
        *projections,
        *norm(f"{name}norm", value_dim),
        *linear(f"{name}out_proj", hidden, values),
    )
    return GatedDeltaNet(parameters, key_heads, value_heads, key_dim, value_dim, kernel)
