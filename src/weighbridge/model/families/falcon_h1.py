"""Falcon-H1 (arXiv:2507.22448): attention and Mamba-2 side by side in every layer."""

from __future__ import annotations

from weighbridge.model.config import COUNT, Config
from weighbridge.model.facts import Layer, Model
from weighbridge.model.families.hybrid import Size, frame
from weighbridge.model.families.mamba import mamba2
from weighbridge.model.families.parts import (
    Shape,
    gated_mlp,
    grouped_query_attention,
    intermediate_size,
    norm,
)
from weighbridge.model.mixers.mamba2 import Mamba2
from weighbridge.model.mixers.parallel import Parallel


def read(config: Config) -> Model:
    """FalconH1ForCausalLM."""
    shape = Shape(config)
    bias = config.boolean("attention bias", "attention_bias", default=False)
    attends = grouped_query_attention(shape, bias=bias, out_bias=bias)
    feed_bias = config.boolean("feed-forward bias", "mlp_bias", default=False)
    layer = Layer(
        Parallel((attends, _mamba2(config, shape.hidden))),
        gated_mlp(shape.hidden, intermediate_size(config), prefix="feed_forward.", bias=feed_bias),
        (*norm("input_layernorm", shape.hidden), *norm("pre_ff_layernorm", shape.hidden)),
    )
    return frame(
        config,
        Size(config),
        (layer,) * shape.layers,
        norm_name="final_layernorm",
        rotary_width=shape.head_dim,
    )


def _mamba2(config: Config, hidden: int) -> Mamba2:
    """The heads share ``mamba_d_ssm`` channels, or the expansion where that is null."""
    inner = config.optional_integer("inner channels", "mamba_d_ssm", default=1024, low=1)
    inner = inner or hidden * config.integer("expansion", "mamba_expand", default=2)
    heads = config.integer("mamba heads", "mamba_n_heads", default=128, high=COUNT)
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
        out_bias=config.boolean("projector bias", "projectors_bias", default=False),
        conv_bias=config.boolean("convolution bias", "mamba_conv_bias", default=True),
        normed=config.boolean("mamba norm", "mamba_rms_norm", default=False),
    )
