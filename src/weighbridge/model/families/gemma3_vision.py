"""Gemma 3 from 4B on: the text model of Gemma 3 beside a SigLIP tower and its projector."""

from __future__ import annotations

from weighbridge.model.config import POSITIONS, Config
from weighbridge.model.facts import Model, Parameter, Tower
from weighbridge.model.families.gemma import read_gemma3
from weighbridge.model.families.siglip import siglip
from weighbridge.records import replace

TEXT_DEFAULTS = {
    "vocab_size": 262208,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "max_position_embeddings": 131072,
}


def read(config: Config) -> Model:
    """Gemma3ForConditionalGeneration; text fields that config.json omits are the class defaults."""
    text = config.section("text_config")
    if text is None:
        raise config.refuse("text_config", "is missing, so the text model cannot be known")
    text = Config({**TEXT_DEFAULTS, **text.raw}, text.where, config.answers)
    model = read_gemma3(text)
    vision = config.section("vision_config") or Config({}, config.where, config.answers)
    width = vision.integer("vision width", "hidden_size", default=1152)
    projector = (
        Parameter(
            "multi_modal_projector.mm_input_projection_weight", (width, model.hidden), "other"
        ),
        Parameter("multi_modal_projector.mm_soft_emb_norm.weight", (width,), "norm"),
    )
    tokens = config.integer("tokens per image", "mm_tokens_per_image", default=256, high=POSITIONS)
    prefix = "language_model."
    return replace(
        model,
        architecture="Gemma3ForConditionalGeneration",
        layer_prefix=prefix + model.layer_prefix,
        outer=tuple(replace(each, name=prefix + each.name) for each in model.outer),
        towers=(Tower("vision", (*siglip(vision, "vision_tower.vision_model."), *projector)),),
        notes=(*model.notes, f"an image costs {tokens} tokens of context"),
    )
