"""GPT-J: attention without biases beside the feed-forward, behind one norm; a head with bias."""

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
)


def read(config: Config) -> Model:
    """GPTJForCausalLM."""
    shape = Shape(config)
    hidden = shape.hidden
    width = config.integer("feed-forward width", "n_inner", default=4 * hidden)
    projections = (
        *linear("attn.k_proj", hidden, hidden),
        *linear("attn.v_proj", hidden, hidden),
        *linear("attn.q_proj", hidden, hidden),
        *linear("attn.out_proj", hidden, hidden),
    )
    return decoder(
        config,
        shape,
        mixers={None: attention(projections, shape, None)},
        feed_forward=plain_mlp("mlp.fc_in", "mlp.fc_out", hidden, width),
        norms=norm("ln_1", hidden, bias=True),
        layer_prefix="transformer.h.",
        outer=(
            *embedding("transformer.wte", shape.vocab, hidden),
            *norm("transformer.ln_f", hidden, bias=True),
        ),
        own_head=linear("lm_head", shape.vocab, hidden, bias=True, role="head"),
    )
