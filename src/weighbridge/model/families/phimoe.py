"""Phi-3.5-MoE: Mixtral's experts behind LayerNorms (transformers, modeling_phimoe.py)."""

from __future__ import annotations

from weighbridge.model.config import VOCABULARY, Config
from weighbridge.model.facts import Model, Parameter
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Shape,
    embedding,
    grouped_query_attention,
    intermediate_size,
    norm,
    two_norms,
)
from weighbridge.model.families.routed import expert_numbers, routed
from weighbridge.model.families.windows import all_sliding, window_size


def read(config: Config) -> Model:
    """PhimoeForCausalLM; the head may have a bias."""
    shape = Shape(config)
    bias = config.boolean("attention bias", "attention_bias", default=False)
    window = window_size(config, None)
    count, top_k = expert_numbers(config)
    rows = config.integer("vocabulary", "vocab_size", high=VOCABULARY)
    with_bias = config.boolean("head bias", "lm_head_bias", default=False)
    return decoder(
        config,
        shape,
        mixers={window: grouped_query_attention(shape, bias=bias, out_bias=bias, window=window)},
        windows=all_sliding(shape.layers, window),
        feed_forward=routed(
            shape.hidden,
            intermediate_size(config),
            count,
            top_k,
            prefix="block_sparse_moe.",
            names=("w1", "w3", "w2"),
        ),
        norms=two_norms(shape.hidden, bias=True),
        outer=(
            *embedding("model.embed_tokens", shape.vocab, shape.hidden),
            *norm("model.norm", shape.hidden, bias=True),
            *((Parameter("lm_head.bias", (rows,), "bias"),) if with_bias else ()),
        ),
    )
