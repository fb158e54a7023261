"""StarCoder2 (arXiv:2402.19173): biases, LayerNorm, a plain feed-forward, sliding layers."""

from __future__ import annotations

from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Shape,
    embedding,
    grouped_query_attention,
    intermediate_size,
    norm,
    plain_mlp,
    two_norms,
)
from weighbridge.model.families.windows import all_sliding, window_size


def read(config: Config) -> Model:
    """Starcoder2ForCausalLM."""
    shape = Shape(config)
    hidden = shape.hidden
    bias = config.boolean("biases", "use_bias", default=True)
    window = window_size(config, None)
    return decoder(
        config,
        shape,
        mixers={window: grouped_query_attention(shape, bias=bias, out_bias=bias, window=window)},
        feed_forward=plain_mlp(
            "mlp.c_fc", "mlp.c_proj", hidden, intermediate_size(config), bias=bias
        ),
        windows=all_sliding(shape.layers, window),
        norms=two_norms(hidden, bias=True),
        tied=True,
        outer=(
            *embedding("model.embed_tokens", shape.vocab, hidden),
            *norm("model.norm", hidden, bias=True),
        ),
    )
