"""Qwen3.5 and Qwen3.6, dense and with experts: Qwen3-Next's layers beside a vision tower."""

from __future__ import annotations

from collections.abc import Callable

from weighbridge.model.config import Config
from weighbridge.model.facts import Model, Tower
from weighbridge.model.families.hybrid import nested
from weighbridge.model.families.parts import gated_mlp, intermediate_size
from weighbridge.model.families.qwen3_5_vision import vision_tower
from weighbridge.model.families.qwen3_next import experts_with_shared, gated_hybrid


def read_dense(config: Config) -> Model:
    """Qwen3_5ForConditionalGeneration."""
    return _with_vision(config, read_dense_text)


def read_experts(config: Config) -> Model:
    """Qwen3_5MoeForConditionalGeneration."""
    return _with_vision(config, read_experts_text)


def read_dense_text(config: Config) -> Model:
    """Qwen3_5ForCausalLM, the text model alone."""
    hidden = config.integer("hidden size", "hidden_size")
    return gated_hybrid(config, gated_mlp(hidden, intermediate_size(config)), fused=False)


def read_experts_text(config: Config) -> Model:
    """Qwen3_5MoeForCausalLM, the text model alone."""
    hidden = config.integer("hidden size", "hidden_size")
    return gated_hybrid(config, experts_with_shared(config, hidden), fused=False)


def _with_vision(config: Config, read: Callable[[Config], Model]) -> Model:
    text = config.section("text_config")
    if text is None:
        raise config.refuse("text_config", "is missing, so the text model cannot be known")
    model = read(text)
    vision = config.section("vision_config")
    towers = () if vision is None else (Tower("vision", vision_tower(vision, "model.visual.")),)
    return nested(config, model, renamed={"model.": "model.language_model."}, towers=towers)
