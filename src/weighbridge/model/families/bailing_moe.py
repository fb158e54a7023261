"""Ling 2.0: one projection for q, k and v with norms on heads, routed experts beside a shared one
(inclusionAI's modeling_bailing_moe_v2.py; Transformers has no class for it)."""

from __future__ import annotations

from weighbridge.model.config import LAYERS, Config
from weighbridge.model.facts import Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Shape,
    attention,
    embedding,
    gated_mlp,
    intermediate_size,
    linear,
    norm,
)
from weighbridge.model.families.routed import by_mlp_types, expert_numbers, routed, shared_width


def read(config: Config) -> Model:
    """BailingMoeV2ForCausalLM; the router's ``expert_bias`` is a buffer."""
    shape = Shape(config)
    queries = shape.heads * shape.head_dim
    rows = queries + 2 * shape.kv_heads * shape.head_dim
    normed = config.boolean("query and key norms", "use_qk_norm", default=True)
    norms = (
        *norm("attention.query_layernorm", shape.head_dim),
        *norm("attention.key_layernorm", shape.head_dim),
    )
    projections = (
        *linear("attention.query_key_value", rows, shape.hidden),
        *linear("attention.dense", shape.hidden, queries),
        *(norms if normed else ()),
    )
    count, top_k = expert_numbers(config)
    width = config.integer("expert width", "moe_intermediate_size")
    return decoder(
        config,
        shape,
        mixers={None: attention(projections, shape, None)},
        feed_forward=by_mlp_types(
            config,
            shape.layers,
            gated_mlp(shape.hidden, intermediate_size(config)),
            routed(shape.hidden, width, count, top_k, shared=shared_width(config, width, 0)),
            config.integer(
                "first dense layers", "first_k_dense_replace", default=0, low=0, high=LAYERS
            ),
        ),
        outer=(
            *embedding("model.word_embeddings", shape.vocab, shape.hidden),
            *norm("model.norm", shape.hidden),
        ),
    )
