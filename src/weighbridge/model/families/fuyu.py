"""Fuyu: Persimmon's layers over patches that a single linear layer embeds
(transformers, modeling_fuyu.py and modeling_persimmon.py)."""

from __future__ import annotations

from weighbridge.model.config import Config
from weighbridge.model.facts import Model, Tower
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.nested import text_section, under, with_towers
from weighbridge.model.families.parts import (
    Shape,
    attention,
    embedding,
    intermediate_size,
    linear,
    norm,
    two_norms,
)
from weighbridge.model.feed_forward import Dense


def read(config: Config) -> Model:
    """FuyuForCausalLM."""
    model = under(_persimmon(text_section(config)))
    patch = config.integer("patch size", "patch_size", default=30)
    tower = Tower("vision", linear("vision_embed_tokens", model.hidden, 3 * patch**2, bias=True))
    note = f"an image costs a token for every {patch} × {patch} pixels, and one for each such row"
    return with_towers(model, config, tower, notes=(note,))


def _persimmon(config: Config) -> Model:
    shape = Shape(config)
    shape.kv_heads = shape.heads
    width, hidden = intermediate_size(config), shape.hidden
    normed = config.boolean("query and key norms", "qk_layernorm", default=True)
    norms = (
        *norm("self_attn.q_layernorm", shape.head_dim, bias=True),
        *norm("self_attn.k_layernorm", shape.head_dim, bias=True),
    )
    projections = (
        *linear("self_attn.query_key_value", 3 * hidden, hidden, bias=True),
        *linear("self_attn.dense", hidden, hidden, bias=True),
        *(norms if normed else ()),
    )
    return decoder(
        config,
        shape,
        mixers={None: attention(projections, shape, None)},
        feed_forward=Dense(
            (
                *linear("mlp.dense_h_to_4h", width, hidden, bias=True),
                *linear("mlp.dense_4h_to_h", hidden, width, bias=True),
            ),
            width,
            gated=False,
        ),
        norms=two_norms(hidden, bias=True),
        outer=(
            *embedding("model.embed_tokens", shape.vocab, hidden),
            *norm("model.final_layernorm", hidden, bias=True),
        ),
    )
