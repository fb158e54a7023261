"""StarCoder and SantaCoder: GPT-2's blocks with one KV head for all queries (arXiv:2305.06161)."""

from __future__ import annotations

from weighbridge.model.config import POSITIONS, Config
from weighbridge.model.facts import Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Shape,
    attention,
    embedding,
    linear,
    norm,
    plain_mlp,
)


def read(config: Config) -> Model:
    """GPTBigCodeForCausalLM; its weights are (out_features, in_features), unlike GPT-2's."""
    shape = Shape(config)
    if config.boolean("one KV head", "multi_query", default=True):
        shape.kv_heads = 1
    width = config.integer("feed-forward width", "n_inner", default=4 * shape.hidden)
    positions = config.integer(
        "longest sequence", "n_positions", "max_position_embeddings", default=1024, high=POSITIONS
    )
    rows = (shape.heads + 2 * shape.kv_heads) * shape.head_dim
    projections = (
        *linear("attn.c_attn", rows, shape.hidden, bias=True),
        *linear("attn.c_proj", shape.hidden, shape.hidden, bias=True),
    )
    return decoder(
        config,
        shape,
        mixers={None: attention(projections, shape, None)},
        feed_forward=plain_mlp("mlp.c_fc", "mlp.c_proj", shape.hidden, width),
        norms=(
            *norm("ln_1", shape.hidden, bias=True),
            *norm("ln_2", shape.hidden, bias=True),
        ),
        tied=True,
        layer_prefix="transformer.h.",
        outer=(
            *embedding("transformer.wte", shape.vocab, shape.hidden),
            *embedding("transformer.wpe", positions, shape.hidden),
            *norm("transformer.ln_f", shape.hidden, bias=True),
        ),
    )
