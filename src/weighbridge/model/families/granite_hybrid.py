"""Granite 4.0 hybrids: Mamba-2 with a few attending layers, experts beside a shared one."""

from __future__ import annotations

from weighbridge.model.config import COUNT, Config
from weighbridge.model.facts import FeedForward, Layer, Model, Parameter
from weighbridge.model.families.hybrid import Size, frame, listed_kinds, stack
from weighbridge.model.families.mamba import mamba2
from weighbridge.model.families.parts import (
    Shape,
    grouped_query_attention,
    intermediate_size,
    linear,
    two_norms,
)
from weighbridge.model.feed_forward import Dense, MixtureOfExperts
from weighbridge.model.mixers.mamba2 import Mamba2


def read(config: Config) -> Model:
    """GraniteMoeHybridForCausalLM; without experts the shared feed-forward is the only one."""
    shape = Shape(config)
    bias = config.boolean("attention bias", "attention_bias", default=False)
    mixers = {
        "full": grouped_query_attention(shape, bias=bias, out_bias=bias),
        "recurrent": _mamba2(config, shape.hidden),
    }
    kinds = listed_kinds(
        config, mixers, "layer_types", "layers_block_type", layers=shape.layers
    ) or (("recurrent",) * shape.layers)
    feed, norms = _feed_forward(config, shape.hidden), two_norms(shape.hidden)
    layers = stack(kinds, lambda kind: Layer(mixers[kind], feed, norms))
    rotary = config.text("positions", "position_embedding_type") == "rope"
    return frame(config, Size(config), layers, rotary_width=shape.head_dim if rotary else 0)


def _mamba2(config: Config, hidden: int) -> Mamba2:
    heads = config.integer("mamba heads", "mamba_n_heads", default=128, high=COUNT)
    inner = hidden * config.integer("expansion", "mamba_expand", default=2)
    if inner % heads:
        raise config.refuse("mamba_n_heads", f"does not divide the {inner} inner channels")
    return mamba2(
        hidden,
        heads=heads,
        head_dim=inner // heads,
        groups=config.integer("groups", "mamba_n_groups", default=1, high=COUNT),
        state_size=config.integer("state size", "mamba_d_state", default=256),
        kernel=config.integer("convolution", "mamba_d_conv", default=4, high=COUNT),
        prefix="mamba.",
        bias=config.boolean("mamba bias", "mamba_proj_bias", default=False),
        conv_bias=config.boolean("convolution bias", "mamba_conv_bias", default=True),
    )


def _feed_forward(config: Config, hidden: int) -> FeedForward:
    shared = config.integer("shared width", "shared_intermediate_size", default=1024)
    every_token = (
        *linear("shared_mlp.input_linear", 2 * shared, hidden),
        *linear("shared_mlp.output_linear", hidden, shared),
    )
    count = config.integer("experts", "num_local_experts", default=8, low=0, high=COUNT)
    if not count:
        return Dense(every_token, shared, gated=True)
    width = intermediate_size(config)
    name = "block_sparse_moe"
    return MixtureOfExperts(
        (
            *linear(f"{name}.router.layer", count, hidden, role="router"),
            Parameter(f"{name}.input_linear.weight", (count, 2 * width, hidden), "expert"),
            Parameter(f"{name}.output_linear.weight", (count, hidden, width), "expert"),
            *every_token,
        ),
        experts=count,
        top_k=config.integer("experts per token", "num_experts_per_tok", default=2, high=count),
        intermediate=width,
        shared_intermediate=shared,
    )
