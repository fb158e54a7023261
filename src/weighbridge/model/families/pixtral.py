"""The Pixtral vision encoder (arXiv:2410.07073): rotary positions, gated, without biases."""

from __future__ import annotations

from weighbridge.model.config import LAYERS, Config
from weighbridge.model.facts import Parameter
from weighbridge.model.families.parts import LAYER, Parameters, gated_mlp, linear, norm, repeated


def pixtral(config: Config, prefix: str) -> Parameters:
    """PixtralVisionModel."""
    width = config.integer("vision width", "hidden_size", default=1024)
    inner = config.integer("vision feed-forward", "intermediate_size", default=4096)
    layers = config.integer("vision layers", "num_hidden_layers", default=24, high=LAYERS)
    patch = patch_size(config)
    return (
        Parameter(f"{prefix}patch_conv.weight", (width, 3, patch, patch), "other"),
        *norm(f"{prefix}ln_pre", width),
        *repeated(layers, _layer(f"{prefix}transformer.layers.{LAYER}.", width, inner)),
    )


def patch_size(config: Config) -> int:
    """A side of a patch in pixels."""
    return config.integer("patch size", "patch_size", default=16)


def _layer(prefix: str, width: int, inner: int) -> Parameters:
    return (
        *norm(f"{prefix}attention_norm", width),
        *gated_mlp(width, inner, prefix=f"{prefix}feed_forward.").parameters,
        *(
            parameter
            for name in ("k_proj", "v_proj", "q_proj", "o_proj")
            for parameter in linear(f"{prefix}attention.{name}", width, width)
        ),
        *norm(f"{prefix}ffn_norm", width),
    )
