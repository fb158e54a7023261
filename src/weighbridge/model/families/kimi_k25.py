"""Kimi-K2.5: Kimi-K2 beside a MoonViT tower (transformers, modeling_kimi_k25.py)."""

from __future__ import annotations

from weighbridge.model.config import LAYERS, Config
from weighbridge.model.facts import Model, Parameter, Tower
from weighbridge.model.families import deepseek
from weighbridge.model.families.nested import text_section, under, vision_section, with_towers
from weighbridge.model.families.parts import LAYER, Parameters, linear, norm, repeated


def read(config: Config) -> Model:
    """Kimi_K25ForConditionalGeneration; the tower's tensors as Transformers names them."""
    model = under(deepseek.read(text_section(config)))
    vision = vision_section(config)
    note = "an image costs a token for every 28 × 28 pixels"
    return with_towers(model, config, Tower("vision", _tower(vision, model.hidden)), notes=(note,))


def _tower(config: Config, text_hidden: int) -> Parameters:
    width = config.integer("vision width", "vt_hidden_size", "hidden_size", default=1152)
    inner = config.integer(
        "vision feed-forward", "vt_intermediate_size", "intermediate_size", default=4304
    )
    layers = config.integer(
        "vision layers", "vt_num_hidden_layers", "num_hidden_layers", default=27, high=LAYERS
    )
    patch = config.integer("patch size", "patch_size", default=14)
    high = config.integer("position rows", "init_pos_emb_height", "pos_emb_height", default=64)
    wide = config.integer("position columns", "init_pos_emb_width", "pos_emb_width", default=64)
    merged = 4 * width
    return (
        Parameter("vision_tower.patch_embed.proj.weight", (width, 3, patch, patch), "other"),
        Parameter("vision_tower.patch_embed.proj.bias", (width,), "bias"),
        Parameter(
            "vision_tower.patch_embed.pos_emb.position_embeddings", (high, wide, width), "other"
        ),
        *repeated(layers, moon_layer(f"vision_tower.layers.{LAYER}.", width, inner)),
        *norm("vision_tower.final_layernorm", width, bias=True),
        *norm("mm_projector.pre_norm", width, bias=True),
        *linear("mm_projector.in_proj", merged, merged, bias=True),
        *linear("mm_projector.out_proj", text_hidden, merged, bias=True),
    )


def moon_layer(prefix: str, width: int, inner: int) -> Parameters:
    """One layer of MoonViT: biases everywhere, separate q, k and v."""
    return (
        *norm(f"{prefix}norm1", width, bias=True),
        *norm(f"{prefix}norm2", width, bias=True),
        *(
            parameter
            for name in ("proj", "q_proj", "k_proj", "v_proj")
            for parameter in linear(f"{prefix}attn.{name}", width, width, bias=True)
        ),
        *linear(f"{prefix}mlp.fc1", inner, width, bias=True),
        *linear(f"{prefix}mlp.fc2", width, inner, bias=True),
    )
