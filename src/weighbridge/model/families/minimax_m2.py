"""MiniMax-M2: grouped-query attention with norms over all heads together, routed experts only
(transformers, modeling_minimax_m2.py)."""

from __future__ import annotations

from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Parameters,
    Shape,
    grouped_query_attention,
    intermediate_size,
    norm,
)
from weighbridge.model.families.routed import expert_numbers, routed

MIXTRAL = ("w1", "w3", "w2")


def read(config: Config) -> Model:
    """MiniMaxM2ForCausalLM."""
    shape = Shape(config, head_dim=128)
    count, top_k = expert_numbers(config)
    return decoder(
        config,
        shape,
        mixers={None: grouped_query_attention(shape, extra=whole_norms(shape))},
        feed_forward=routed(
            shape.hidden,
            intermediate_size(config),
            count,
            top_k,
            prefix="block_sparse_moe.",
            names=MIXTRAL,
        ),
    )


def whole_norms(shape: Shape) -> Parameters:
    """Norms over the queries and the keys of all heads together."""
    return (
        *norm("self_attn.q_norm", shape.heads * shape.head_dim),
        *norm("self_attn.k_norm", shape.kv_heads * shape.head_dim),
    )
