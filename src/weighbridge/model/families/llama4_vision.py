"""Llama 4's vision tower: a transformer over patches, a pixel shuffle and two adapters."""

from __future__ import annotations

from weighbridge.model.config import LAYERS, Config
from weighbridge.model.facts import Parameter, Tower
from weighbridge.model.families.nested import image_size
from weighbridge.model.families.parts import LAYER, Parameters, linear, norm, repeated


def vision_tower(config: Config, text_hidden: int) -> Tower:
    """Llama4VisionModel and its projector (transformers, modeling_llama4.py)."""
    width = config.integer("vision width", "hidden_size", default=768)
    inner = config.integer("vision feed-forward", "intermediate_size", default=5632)
    layers = config.integer("vision layers", "num_hidden_layers", default=34, high=LAYERS)
    patch = config.integer("patch size", "patch_size", default=14)
    side = image_size(config, "image size", "image_size", 448) // patch
    into = config.integer("adapter width", "projector_input_dim", default=4096)
    out = config.integer("adapter output", "projector_output_dim", default=4096)
    projected = config.integer("vision output", "vision_output_dim", default=7680)
    prefix = "vision_model."
    return Tower(
        "vision",
        (
            Parameter(f"{prefix}class_embedding", (width,), "other"),
            Parameter(f"{prefix}positional_embedding_vlm", (side**2 + 1, width), "embedding"),
            *linear(f"{prefix}patch_embedding.linear", width, 3 * patch**2),
            *norm(f"{prefix}layernorm_pre", width, bias=True),
            *norm(f"{prefix}layernorm_post", width, bias=True),
            *repeated(layers, _layer(f"{prefix}model.layers.{LAYER}.", width, inner)),
            *linear(f"{prefix}vision_adapter.mlp.fc1", into, inner),
            *linear(f"{prefix}vision_adapter.mlp.fc2", out, into),
            *linear("multi_modal_projector.linear_1", text_hidden, projected),
        ),
    )


def _layer(prefix: str, width: int, inner: int) -> Parameters:
    projections = ("q_proj", "k_proj", "v_proj", "o_proj")
    return (
        *(
            parameter
            for name in projections
            for parameter in linear(f"{prefix}self_attn.{name}", width, width, bias=True)
        ),
        *linear(f"{prefix}mlp.fc1", inner, width, bias=True),
        *linear(f"{prefix}mlp.fc2", width, inner, bias=True),
        *norm(f"{prefix}input_layernorm", width, bias=True),
        *norm(f"{prefix}post_attention_layernorm", width, bias=True),
    )


def image_note(config: Config) -> str:
    """What an image costs: a quarter of its patches, per tile (pixel shuffle by one half)."""
    patch = config.integer("patch size", "patch_size", default=14)
    side = image_size(config, "image size", "image_size", 448)
    tokens = (side // patch) ** 2 // 4
    return f"an image costs {tokens} tokens of context per tile of {side} × {side} pixels"
