"""GPT-NeoX-20B (arXiv:2204.06745), Pythia, RedPajama-INCITE: fused q, k and v, rotary positions."""

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
    plain_mlp,
    two_norms,
)


def read(config: Config) -> Model:
    """GPTNeoXForCausalLM; files name the head ``embed_out``."""
    shape = Shape(config)
    hidden = shape.hidden
    bias = config.boolean("attention bias", "attention_bias", default=True)
    projections = (
        *linear("attention.query_key_value", 3 * hidden, hidden, bias=bias),
        *linear("attention.dense", hidden, hidden, bias=bias),
    )
    return decoder(
        config,
        shape,
        mixers={None: attention(projections, shape, None)},
        feed_forward=plain_mlp(
            "mlp.dense_h_to_4h", "mlp.dense_4h_to_h", hidden, intermediate_size(config)
        ),
        norms=two_norms(hidden, bias=True),
        layer_prefix="gpt_neox.layers.",
        outer=(
            *embedding("gpt_neox.embed_in", shape.vocab, hidden),
            *norm("gpt_neox.final_layer_norm", hidden, bias=True),
        ),
        own_head=linear("embed_out", shape.vocab, hidden, role="head"),
    )
