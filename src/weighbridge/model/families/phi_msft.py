"""Phi-1, 1.5 and 2 in the files' first spelling, model_type phi-msft: fused q, k and v."""

from __future__ import annotations

from weighbridge.model.config import COUNT, Config
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
    """PhiForCausalLM of the files' own modeling_phi.py; the head begins with the last norm."""
    shape = Shape(config)
    shape.kv_heads = config.integer("KV heads", "n_head_kv", default=shape.heads, high=COUNT)
    if shape.heads % shape.kv_heads:
        raise config.refuse("n_head_kv", f"does not divide the {shape.heads} query heads")
    hidden = shape.hidden
    width = config.integer("feed-forward width", "n_inner", default=4 * hidden)
    rows = (shape.heads + 2 * shape.kv_heads) * shape.head_dim
    projections = (
        *linear("mixer.Wqkv", rows, hidden, bias=True),
        *linear("mixer.out_proj", hidden, hidden, bias=True),
    )
    return decoder(
        config,
        shape,
        mixers={None: attention(projections, shape, None)},
        feed_forward=plain_mlp("mlp.fc1", "mlp.fc2", hidden, width),
        norms=norm("ln", hidden, bias=True),
        layer_prefix="transformer.h.",
        outer=(
            *embedding("transformer.embd.wte", shape.vocab, hidden),
            *norm("lm_head.ln", hidden, bias=True),
        ),
        own_head=linear("lm_head.linear", shape.vocab, hidden, bias=True, role="head"),
    )
