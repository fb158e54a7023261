"""Qwen 1 (arXiv:2309.16609): the feed-forward is half as wide as its config says."""

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
    """QWenLMHeadModel of the checkpoint's own modeling_qwen.py; only c_attn always has a bias."""
    shape = Shape(config)
    hidden = shape.hidden
    shape.head_dim = config.integer("head dim", "kv_channels", "head_dim", default=shape.head_dim)
    inner = shape.heads * shape.head_dim
    width = intermediate_size(config, "ffn_hidden_size") // 2
    bias = not config.boolean("no biases", "no_bias", default=True)
    projections = (
        *linear("attn.c_attn", 3 * inner, hidden, bias=True),
        *linear("attn.c_proj", hidden, inner, bias=bias),
    )
    feed_forward = Dense(
        (
            *linear("mlp.w1", width, hidden, bias=bias),
            *linear("mlp.w2", width, hidden, bias=bias),
            *linear("mlp.c_proj", hidden, width, bias=bias),
        ),
        width,
        gated=True,
    )
    return decoder(
        config,
        shape,
        mixers={None: attention(projections, shape, None)},
        feed_forward=feed_forward,
        norms=(*norm("ln_1", hidden), *norm("ln_2", hidden)),
        layer_prefix="transformer.h.",
        outer=(
            *embedding("transformer.wte", shape.vocab, hidden),
            *norm("transformer.ln_f", hidden),
        ),
    )
