"""Llama 3.2 Vision: Llama's layers with cross-attention layers between them, whose keys and values
are an image's (transformers, modeling_mllama.py)."""

from __future__ import annotations

from dataclasses import replace

from weighbridge.model.config import Config
from weighbridge.model.facts import Mixer, Model, Parameter, Tower
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.mllama_vision import image_tokens, vision_tower
from weighbridge.model.families.nested import text_section, under, vision_section, with_towers
from weighbridge.model.families.parts import (
    Shape,
    embedding,
    gated_mlp,
    grouped_query_attention,
    head,
    intermediate_size,
    norm,
)
from weighbridge.model.mixers.cross import ImageCrossAttention


def read(config: Config) -> Model:
    """MllamaForConditionalGeneration."""
    text = text_section(config)
    model = under(read_text(text))
    vision = vision_section(config)
    tokens, tiles = image_tokens(vision)
    crossing = sum(isinstance(layer.mixer, ImageCrossAttention) for layer in model.layers)
    note = (
        f"an image costs no context; each of {crossing} cross-attention layers keeps "
        f"{tokens * tiles:,} tokens of it ({tiles} tiles of {tokens:,})"
    )
    return with_towers(
        model, config, Tower("vision", vision_tower(vision, model.hidden)), notes=(note,)
    )


def read_text(config: Config) -> Model:
    """MllamaForCausalLM; the embedding has eight rows more than the head."""
    shape = Shape(config)
    crossing = config.integers("cross-attention layers", "cross_attention_layers")
    at = frozenset((3, 8, 13, 18, 23, 28, 33, 38) if crossing is None else crossing)
    mixers: dict[bool, Mixer] = {
        False: grouped_query_attention(shape),
        True: _cross_attention(shape),
    }
    model = decoder(
        config,
        shape,
        mixers=mixers,
        windows=[index in at for index in range(shape.layers)],
        feed_forward=gated_mlp(shape.hidden, intermediate_size(config)),
        outer=(
            *embedding("model.embed_tokens", shape.vocab + 8, shape.hidden),
            *norm("model.norm", shape.hidden),
        ),
    )
    if model.tied:
        outer = (*model.outer, *head(shape.vocab, shape.hidden, tied=False))
        return replace(model, outer=outer, tied=False)
    return model


def _cross_attention(shape: Shape) -> ImageCrossAttention:
    own = grouped_query_attention(shape, prefix="cross_attn.")
    return ImageCrossAttention(
        (
            *own.parameters,
            *norm("cross_attn.q_norm", shape.head_dim),
            *norm("cross_attn.k_norm", shape.head_dim),
            Parameter("cross_attn_attn_gate", (1,), "other"),
            Parameter("cross_attn_mlp_gate", (1,), "other"),
        ),
        shape.heads,
        shape.kv_heads,
        shape.head_dim,
        shape.head_dim,
    )
