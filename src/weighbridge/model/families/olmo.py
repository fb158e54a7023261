"""OLMo 1 (no trained norms), OLMo 2 (norms behind, and over all queries) and OLMo 3 (sliding)."""

from __future__ import annotations

from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Shape,
    embedding,
    gated_mlp,
    grouped_query_attention,
    intermediate_size,
    norm,
)
from weighbridge.model.families.windows import (
    Windows,
    by_layer_types,
    every_nth_full,
    window_size,
)


def read_olmo(config: Config) -> Model:
    """OlmoForCausalLM: LayerNorm without parameters (arXiv:2402.00838)."""
    shape = Shape(config)
    bias = config.boolean("attention bias", "attention_bias", default=False)
    return decoder(
        config,
        shape,
        mixers={None: grouped_query_attention(shape, bias=bias, out_bias=bias)},
        feed_forward=gated_mlp(shape.hidden, intermediate_size(config)),
        norms=(),
        outer=embedding("model.embed_tokens", shape.vocab, shape.hidden),
    )


def read_olmo2(config: Config) -> Model:
    """Olmo2ForCausalLM (arXiv:2501.00656)."""
    shape = Shape(config)
    return _normed(config, shape, (None,) * shape.layers)


def read_olmo3(config: Config) -> Model:
    """Olmo3ForCausalLM: three sliding layers to each full one."""
    shape = Shape(config)
    window = window_size(config, 4096)
    windows = by_layer_types(config, shape.layers, window)
    return _normed(config, shape, windows or every_nth_full(shape.layers, 4, window))


def _normed(config: Config, shape: Shape, windows: Windows) -> Model:
    bias = config.boolean("attention bias", "attention_bias", default=False)
    norms = (
        *norm("self_attn.q_norm", shape.heads * shape.head_dim),
        *norm("self_attn.k_norm", shape.kv_heads * shape.head_dim),
    )
    return decoder(
        config,
        shape,
        mixers={
            each: grouped_query_attention(shape, bias=bias, out_bias=bias, window=each, extra=norms)
            for each in windows
        },
        feed_forward=gated_mlp(shape.hidden, intermediate_size(config)),
        windows=windows,
        norms=(
            *norm("post_attention_layernorm", shape.hidden),
            *norm("post_feedforward_layernorm", shape.hidden),
        ),
    )
