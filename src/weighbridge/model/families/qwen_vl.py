"""Qwen2-VL, Qwen2.5-VL and Qwen3-VL: the text families beside a vision transformer."""

from __future__ import annotations

from weighbridge.model.config import Config
from weighbridge.model.facts import Model, Tower
from weighbridge.model.families import qwen2, qwen3, qwen3_moe
from weighbridge.model.families.nested import text_section, vision_section, with_towers, within
from weighbridge.model.families.qwen_vit import qwen2_5_vit, qwen2_vit, qwen3_vit


def read_qwen2(config: Config) -> Model:
    """Qwen2VLForConditionalGeneration, in the files' names."""
    model = qwen2.read(text_section(config))
    vision = vision_section(config)
    tower = Tower("vision", qwen2_vit(vision, "visual."))
    return with_towers(model, config, tower, notes=(_note(vision, 14),))


def read_qwen2_5(config: Config) -> Model:
    """Qwen2_5_VLForConditionalGeneration, in the files' names."""
    model = qwen2.read(text_section(config))
    vision = vision_section(config)
    tower = Tower("vision", qwen2_5_vit(vision, "visual."))
    return with_towers(model, config, tower, notes=(_note(vision, 14),))


def read_qwen3(config: Config) -> Model:
    """Qwen3VLForConditionalGeneration."""
    return _third(config, qwen3.read(text_section(config)))


def read_qwen3_moe(config: Config) -> Model:
    """Qwen3VLMoeForConditionalGeneration."""
    return _third(config, qwen3_moe.read(text_section(config)))


def _third(config: Config, model: Model) -> Model:
    vision = vision_section(config)
    tower = Tower("vision", qwen3_vit(vision, "model.visual."))
    return with_towers(within(model), config, tower, notes=(_note(vision, 16),))


def _note(vision: Config, default: int) -> str:
    patch = vision.integer("patch size", "patch_size", default=default)
    side = patch * vision.integer("patches merged", "spatial_merge_size", default=2)
    return f"an image costs a token for every {side} × {side} pixels"
