"""BLOOM (arXiv:2211.05100): fused q, k and v, biases everywhere, a norm behind the embedding.

ALiBi needs no parameters and nothing in the cache.
"""

from __future__ import annotations

from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Shape,
    attention,
    embedding,
    linear,
    norm,
    plain_mlp,
    two_norms,
)


def read(config: Config) -> Model:
    """BloomForCausalLM; the feed-forward is always four times as wide."""
    shape = Shape(config)
    hidden = shape.hidden
    projections = (
        *linear("self_attention.query_key_value", 3 * hidden, hidden, bias=True),
        *linear("self_attention.dense", hidden, hidden, bias=True),
    )
    return decoder(
        config,
        shape,
        mixers={None: attention(projections, shape, None)},
        feed_forward=plain_mlp("mlp.dense_h_to_4h", "mlp.dense_4h_to_h", hidden, 4 * hidden),
        norms=two_norms(hidden, bias=True),
        tied=True,
        layer_prefix="transformer.h.",
        outer=(
            *embedding("transformer.word_embeddings", shape.vocab, hidden),
            *norm("transformer.word_embeddings_layernorm", hidden, bias=True),
            *norm("transformer.ln_f", hidden, bias=True),
        ),
    )
