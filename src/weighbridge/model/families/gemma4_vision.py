"""Gemma 4's vision tower (transformers, modeling_gemma4.py)."""

from __future__ import annotations

from weighbridge.model.config import COUNT, LAYERS, Config
from weighbridge.model.facts import Parameter
from weighbridge.model.families.gemma import four_norms
from weighbridge.model.families.parts import LAYER, Parameters, linear, norm, repeated

VISION = "model.vision_tower."


def vision_tower(config: Config, text_hidden: int) -> Parameters:
    """Gemma4VisionModel and the projection into the text model."""
    width = config.integer("vision width", "hidden_size", default=768)
    layers = config.integer("vision layers", "num_hidden_layers", default=16, high=LAYERS)
    patch = config.integer("patch size", "patch_size", default=16)
    positions = config.integer(
        "vision positions", "position_embedding_size", default=10240, high=COUNT
    )
    table = f"{VISION}patch_embedder.position_embedding_table"
    return (
        Parameter(table, (2, positions, width), "other"),
        *linear(f"{VISION}patch_embedder.input_proj", width, 3 * patch**2),
        *repeated(layers, _layer(config, width)),
        *linear("model.embed_vision.embedding_projection", text_hidden, width),
    )


def _layer(config: Config, width: int) -> Parameters:
    inner = config.integer("vision feed-forward", "intermediate_size", default=3072)
    heads = config.integer("vision heads", "num_attention_heads", default=12, high=COUNT)
    kv_heads = config.integer("vision KV heads", "num_key_value_heads", default=12, high=COUNT)
    size = config.integer("vision head dim", "head_dim", default=64)
    prefix = f"{VISION}encoder.layers.{LAYER}."
    sizes = {
        "self_attn.q_proj": (heads * size, width),
        "self_attn.k_proj": (kv_heads * size, width),
        "self_attn.v_proj": (kv_heads * size, width),
        "self_attn.o_proj": (width, heads * size),
        "mlp.gate_proj": (inner, width),
        "mlp.up_proj": (inner, width),
        "mlp.down_proj": (width, inner),
    }
    return (
        *(
            parameter
            for name, (out, into) in sizes.items()
            for parameter in linear(f"{prefix}{name}.linear", out, into)
        ),
        *norm(f"{prefix}self_attn.q_norm", size),
        *norm(f"{prefix}self_attn.k_norm", size),
        *(Parameter(f"{prefix}{each.name}", each.shape, each.role) for each in four_norms(width)),
    )
