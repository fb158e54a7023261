"""InternLM2 (arXiv:2403.17297): Llama's shape, q, k and v fused, names of its own."""

from __future__ import annotations

from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Shape,
    attention,
    embedding,
    intermediate_size,
    linear,
    norm,
)
from weighbridge.model.feed_forward import Dense


def read(config: Config) -> Model:
    """InternLM2ForCausalLM of the checkpoint's own modeling_internlm2.py."""
    shape = Shape(config)
    hidden, width = shape.hidden, intermediate_size(config)
    bias = config.boolean("attention bias", "bias", default=True)
    rows = (shape.heads + 2 * shape.kv_heads) * shape.head_dim
    projections = (
        *linear("attention.wqkv", rows, hidden, bias=bias),
        *linear("attention.wo", hidden, shape.heads * shape.head_dim, bias=bias),
    )
    feed_forward = Dense(
        (
            *linear("feed_forward.w1", width, hidden),
            *linear("feed_forward.w3", width, hidden),
            *linear("feed_forward.w2", hidden, width),
        ),
        width,
        gated=True,
    )
    return decoder(
        config,
        shape,
        mixers={None: attention(projections, shape, None)},
        feed_forward=feed_forward,
        norms=(*norm("attention_norm", hidden), *norm("ffn_norm", hidden)),
        outer=(
            *embedding("model.tok_embeddings", shape.vocab, hidden),
            *norm("model.norm", hidden),
        ),
        own_head=linear("output", shape.vocab, hidden, role="head"),
    )
