"""The vision tower of Qwen3.5: patches of two frames, learned positions, blocks with fused
projections, and a merger of neighbouring patches."""

from __future__ import annotations

from weighbridge.model.config import LAYERS, Config
from weighbridge.model.facts import Parameter
from weighbridge.model.families.parts import LAYER, Parameters, linear, norm, repeated


def vision_tower(config: Config, prefix: str) -> Parameters:
    """Every tensor of the tower, under ``prefix``."""
    width = config.integer("vision width", "hidden_size", default=1152)
    inner = config.integer("vision feed-forward", "intermediate_size", default=4304)
    layers = config.integer("vision layers", "depth", "num_hidden_layers", default=27, high=LAYERS)
    patch = config.integer("patch size", "patch_size", default=16)
    frames = config.integer("frames per patch", "temporal_patch_size", default=2)
    channels = config.integer("colour channels", "in_channels", default=3)
    places = config.integer("vision positions", "num_position_embeddings", default=2304)
    merged = config.integer("merged patches", "spatial_merge_size", default=2) ** 2 * width
    out = config.integer("projected width", "out_hidden_size", default=3584)
    return (
        Parameter(
            f"{prefix}patch_embed.proj.weight", (width, channels, frames, patch, patch), "other"
        ),
        Parameter(f"{prefix}patch_embed.proj.bias", (width,), "bias"),
        Parameter(f"{prefix}pos_embed.weight", (places, width), "embedding"),
        *repeated(layers, _block(f"{prefix}blocks.{LAYER}.", width, inner)),
        *norm(f"{prefix}merger.norm", width, bias=True),
        *linear(f"{prefix}merger.linear_fc1", merged, merged, bias=True),
        *linear(f"{prefix}merger.linear_fc2", out, merged, bias=True),
    )


def _block(prefix: str, width: int, inner: int) -> Parameters:
    return (
        *norm(f"{prefix}norm1", width, bias=True),
        *norm(f"{prefix}norm2", width, bias=True),
        *linear(f"{prefix}attn.qkv", 3 * width, width, bias=True),
        *linear(f"{prefix}attn.proj", width, width, bias=True),
        *linear(f"{prefix}mlp.linear_fc1", inner, width, bias=True),
        *linear(f"{prefix}mlp.linear_fc2", width, inner, bias=True),
    )
