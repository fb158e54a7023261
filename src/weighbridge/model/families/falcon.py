"""Falcon (arXiv:2311.16867): q, k and v in one projection, in three layouts of KV heads."""

from __future__ import annotations

from weighbridge.model.config import COUNT, Config
from weighbridge.model.facts import Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Parameters,
    Shape,
    attention,
    embedding,
    linear,
    norm,
    plain_mlp,
    two_norms,
)


def read(config: Config) -> Model:
    """FalconForCausalLM; the 7B has one KV head, the 40B and the 180B a group's share each."""
    shape = Shape(config)
    grouped = config.boolean("grouped KV heads", "new_decoder_architecture", default=False)
    single = config.boolean("one KV head", "multi_query", default=True)
    bias = config.boolean("biases", "bias", default=False)
    shape.kv_heads = config.integer(
        "KV heads", "num_kv_heads", "n_head_kv", default=shape.heads, high=COUNT
    )
    if single and not grouped:
        shape.kv_heads = 1
    if shape.heads % shape.kv_heads:
        raise config.refuse("num_kv_heads", f"does not divide the {shape.heads} query heads")
    rows = (shape.heads + 2 * shape.kv_heads) * shape.head_dim
    projections = (
        *linear("self_attention.query_key_value", rows, shape.hidden, bias=bias),
        *linear("self_attention.dense", shape.hidden, shape.hidden, bias=bias),
    )
    width = config.integer("feed-forward width", "ffn_hidden_size", default=4 * shape.hidden)
    return decoder(
        config,
        shape,
        mixers={None: attention(projections, shape, None)},
        feed_forward=plain_mlp(
            "mlp.dense_h_to_4h", "mlp.dense_4h_to_h", shape.hidden, width, bias=bias
        ),
        norms=_norms(config, shape.hidden, grouped=grouped),
        tied=True,
        layer_prefix="transformer.h.",
        outer=(
            *embedding("transformer.word_embeddings", shape.vocab, shape.hidden),
            *norm("transformer.ln_f", shape.hidden, bias=True),
        ),
    )


def _norms(config: Config, hidden: int, *, grouped: bool) -> Parameters:
    """One norm for attention and feed-forward side by side, or one for each."""
    if not config.boolean("side by side", "parallel_attn", default=True):
        return two_norms(hidden, bias=True)
    default = 2 if grouped else 1
    if config.integer("norms before both", "num_ln_in_parallel_attn", default=default) == 2:
        return (*norm("ln_attn", hidden, bias=True), *norm("ln_mlp", hidden, bias=True))
    return norm("input_layernorm", hidden, bias=True)
