"""LLaVA and Mistral 3: a text model of another family beside CLIP, SigLIP or Pixtral."""

from __future__ import annotations

from collections.abc import Callable

from weighbridge.model.config import Config
from weighbridge.model.facts import Model, Tower
from weighbridge.model.families import deepseek, llama, mistral, qwen2
from weighbridge.model.families.clip import clip
from weighbridge.model.families.nested import (
    image_size,
    text_section,
    under,
    vision_section,
    with_towers,
)
from weighbridge.model.families.parts import Parameters, linear, norm
from weighbridge.model.families.pixtral import patch_size, pixtral
from weighbridge.model.families.siglip import siglip


def _ministral3(config: Config) -> Model:
    """Ministral3ForCausalLM: Mistral's shape, where a missing window means none."""
    return mistral.read(
        Config({"sliding_window": None, **config.raw}, config.where, config.answers)
    )


TEXT: dict[str, Callable[[Config], Model]] = {
    "llama": llama.read,
    "ministral3": _ministral3,
    "mistral": mistral.read,
    "mistral4": deepseek.read,
    "qwen2": qwen2.read,
}
LLAMA_7B = {
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "intermediate_size": 11008,
    "vocab_size": 32000,
}


def read_llava(config: Config) -> Model:
    """LlavaForConditionalGeneration: a projector of two layers over the patches."""
    model = _text(config)
    vision = vision_section(config)
    tower, width, note = _tower(vision)
    bias = config.boolean("projector bias", "multimodal_projector_bias", default=True)
    feature_layers = config.raw.get("vision_feature_layer")
    count = len(feature_layers) if isinstance(feature_layers, list) and feature_layers else 1
    projector = _projector("multi_modal_projector", width * count, model.hidden, bias=bias)
    return with_towers(model, config, Tower("vision", (*tower, *projector)), notes=(note,))


def read_mistral3(config: Config) -> Model:
    """Mistral3ForConditionalGeneration: Pixtral, and a projector that merges 2 × 2 patches."""
    model = _text(config)
    vision = vision_section(config)
    merge = config.integer("patches merged", "spatial_merge_size", default=2)
    bias = config.boolean("projector bias", "multimodal_projector_bias", default=False)
    tower = merging_tower(vision, model.hidden, merge, bias=bias)
    side = merge * patch_size(vision)
    note = f"an image costs a token for every {side} × {side} pixels, and one for each such row"
    return with_towers(model, config, tower, notes=(note,))


def merging_tower(
    vision: Config, hidden: int, merge: int, *, bias: bool = False, prefix: str = ""
) -> Tower:
    """Pixtral with the projector of Mistral 3."""
    width = vision.integer("vision width", "hidden_size", default=1024)
    name = f"{prefix}multi_modal_projector"
    return Tower(
        "vision",
        (
            *pixtral(vision, f"{prefix}vision_tower."),
            *norm(f"{name}.norm", width),
            *linear(f"{name}.patch_merger.merging_layer", width, width * merge**2),
            *_projector(name, width, hidden, bias=bias),
        ),
    )


def _projector(name: str, width: int, hidden: int, *, bias: bool) -> Parameters:
    return (
        *linear(f"{name}.linear_1", hidden, width, bias=bias),
        *linear(f"{name}.linear_2", hidden, hidden, bias=bias),
    )


def _text(config: Config) -> Model:
    text = text_section(config)
    kind = text.text("text model", "model_type", default="llama") or "llama"
    if kind not in TEXT:
        raise text.refuse("model_type", f"is no text model this family reads: {', '.join(TEXT)}")
    if kind == "llama":
        text = text_section(config, defaults=LLAMA_7B)
    return under(TEXT[kind](text))


def _tower(vision: Config) -> tuple[Parameters, int, str]:
    kind = vision.text("vision model", "model_type", default="clip_vision_model")
    width = vision.integer("vision width", "hidden_size", default=1024)
    if kind == "pixtral":
        side = patch_size(vision)
        note = f"an image costs a token for every {side} × {side} pixels, and one for each such row"
        return pixtral(vision, "vision_tower."), width, note
    if kind not in {"clip_vision_model", "siglip_vision_model"}:
        raise vision.refuse("model_type", "is no vision tower this family reads")
    tokens = (
        image_size(vision, "image size", "image_size", 336)
        // vision.integer("patch size", "patch_size", default=14)
    ) ** 2
    tower = clip if kind == "clip_vision_model" else siglip
    return (
        tower(vision, "vision_tower.vision_model."),
        width,
        f"an image costs {tokens} tokens of context",
    )
