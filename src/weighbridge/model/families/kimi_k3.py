"""Kimi-K3: the layers of Kimi Linear with wider gates, beside the MoonViT tower, as
``models/kimi_k3.py`` and ``kimi_k3_vl.py`` of SGLang 0.5.23 build them."""

from __future__ import annotations

from weighbridge.model.config import LAYERS, Config
from weighbridge.model.facts import Model, Parameter, Tower
from weighbridge.model.families.hybrid import nested
from weighbridge.model.families.kimi_linear import read_kimi
from weighbridge.model.families.parts import LAYER, Parameters, linear, norm, repeated


def read(config: Config) -> Model:
    """KimiK3ForConditionalGeneration."""
    text = config.section("text_config")
    if text is None:
        raise config.refuse("text_config", "is missing, so the text model cannot be known")
    vision = config.section("vision_config")
    towers = () if vision is None else (Tower("vision", _vision(vision)),)
    renamed = {"model.": "language_model.model.", "lm_head": "language_model.lm_head"}
    return nested(config, read_kimi(text), renamed=renamed, towers=towers)


def _vision(config: Config) -> Parameters:
    """MoonViT with RMS norms and no biases, then a projector of two layers over merged patches."""
    width = config.integer("vision width", "vt_hidden_size", default=1024)
    inner = config.integer("vision feed-forward", "vt_intermediate_size", default=4096)
    heads = config.integer("vision attention width", "qkv_hidden_size", default=1536)
    layers = config.integer("vision layers", "vt_num_hidden_layers", default=27, high=LAYERS)
    patch = config.integer("patch size", "patch_size", default=14)
    high = config.integer("position rows", "init_pos_emb_height", default=64)
    wide = config.integer("position columns", "init_pos_emb_width", default=64)
    merged = config.integer("projector width", "mm_hidden_size", default=width) * 4
    if (config.integers("merged patches", "merge_kernel_size") or (2, 2)) != (2, 2):
        raise config.refuse("merge_kernel_size", "is not [2, 2], as in the one known checkpoint")
    hidden = config.integer("text width", "text_hidden_size")
    prefix = "vision_tower."
    return (
        Parameter(f"{prefix}patch_embed.proj.weight", (width, 3, patch, patch), "other"),
        Parameter(f"{prefix}patch_embed.pos_emb.weight", (high, wide, width), "embedding"),
        *repeated(layers, _block(f"{prefix}encoder.blocks.{LAYER}.", width, inner, heads)),
        *norm(f"{prefix}encoder.final_layernorm", width),
        *linear("mm_projector.proj.0", merged, merged),
        *linear("mm_projector.proj.2", hidden, merged),
        *norm("mm_projector.post_norm", hidden),
    )


def _block(prefix: str, width: int, inner: int, heads: int) -> Parameters:
    return (
        *norm(f"{prefix}norm0", width),
        *norm(f"{prefix}norm1", width),
        *linear(f"{prefix}wqkv", 3 * heads, width),
        *linear(f"{prefix}wo", width, heads),
        *linear(f"{prefix}mlp.fc0", inner, width),
        *linear(f"{prefix}mlp.fc1", width, inner),
    )
