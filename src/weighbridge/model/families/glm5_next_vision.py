"""The vision tower of GLM-5.3-Flash: gated blocks with norms over queries and keys, a convolution
that joins neighbouring patches, and a gated merger."""

from __future__ import annotations

from weighbridge.model.config import LAYERS, Config
from weighbridge.model.facts import Parameter
from weighbridge.model.families.parts import LAYER, Parameters, linear, norm, repeated


def vision_tower(config: Config, prefix: str) -> Parameters:
    """Every tensor of the tower, under ``prefix``."""
    width = config.integer("vision width", "hidden_size", default=1024)
    layers = config.integer("vision layers", "depth", "num_hidden_layers", default=24, high=LAYERS)
    patch = config.integer("patch size", "patch_size", default=14)
    frames = config.integer("frames per patch", "temporal_patch_size", default=2)
    channels = config.integer("colour channels", "in_channels", default=3)
    merge = config.integer("merged patches", "spatial_merge_size", default=2)
    out = config.integer("projected width", "out_hidden_size", default=1536)
    inner = config.integer("merger width", "projection_intermediate_size", default=10240)
    return (
        Parameter(
            f"{prefix}patch_embed.proj.weight", (width, channels, frames, patch, patch), "other"
        ),
        Parameter(f"{prefix}patch_embed.proj.bias", (width,), "bias"),
        *repeated(layers, _block(config, f"{prefix}blocks.{LAYER}.", width)),
        *norm(f"{prefix}post_layernorm", width),
        Parameter(f"{prefix}downsample.weight", (out, width, merge, merge), "other"),
        Parameter(f"{prefix}downsample.bias", (out,), "bias"),
        *linear(f"{prefix}merger.proj", out, out),
        *norm(f"{prefix}merger.post_projection_norm", out, bias=True),
        *linear(f"{prefix}merger.gate_proj", inner, out),
        *linear(f"{prefix}merger.up_proj", inner, out),
        *linear(f"{prefix}merger.down_proj", out, inner),
    )


def _block(config: Config, prefix: str, width: int) -> Parameters:
    inner = config.integer("vision feed-forward", "intermediate_size", default=4096)
    heads = config.integer("vision heads", "num_heads", default=16)
    bias = config.boolean("vision bias", "attention_bias", default=True)
    return (
        *norm(f"{prefix}norm1", width),
        *norm(f"{prefix}norm2", width),
        *linear(f"{prefix}attn.qkv", 3 * width, width, bias=bias),
        *linear(f"{prefix}attn.proj", width, width, bias=bias),
        *norm(f"{prefix}attn.q_norm", width // heads),
        *norm(f"{prefix}attn.k_norm", width // heads),
        *linear(f"{prefix}mlp.gate_proj", inner, width, bias=bias),
        *linear(f"{prefix}mlp.up_proj", inner, width, bias=bias),
        *linear(f"{prefix}mlp.down_proj", width, inner, bias=bias),
    )
