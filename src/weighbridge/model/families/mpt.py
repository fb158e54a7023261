"""MPT: ALiBi, no biases anywhere, fused q, k and v, as transformers has it and files hold it."""

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
    """MptForCausalLM; forms of llm-foundry that no class of transformers has are refused."""
    shape = Shape(config)
    hidden = shape.hidden
    if not config.boolean("no biases", "no_bias", default=True):
        raise config.refuse("no_bias", "means biases, which this family does not have")
    inner = config.section("attn_config") or Config({}, config.where, config.answers)
    for key, wanted in (("alibi", True), ("qk_ln", False)):
        if inner.boolean(key, key, default=wanted) != wanted:
            raise inner.refuse(key, "is a form of attention that this family does not have")
    if inner.text("attention type", "attn_type") not in {None, "multihead_attention"}:
        raise inner.refuse("attn_type", "is a form of attention that this family does not have")
    width = config.integer("expansion", "expansion_ratio", default=4, high=64) * hidden
    projections = (
        *linear("attn.Wqkv", 3 * hidden, hidden),
        *linear("attn.out_proj", hidden, hidden),
    )
    return decoder(
        config,
        shape,
        mixers={None: attention(projections, shape, None)},
        feed_forward=plain_mlp("ffn.up_proj", "ffn.down_proj", hidden, width, bias=False),
        norms=(*norm("norm_1", hidden), *norm("norm_2", hidden)),
        tied=True,
        layer_prefix="transformer.blocks.",
        outer=(
            *embedding("transformer.wte", shape.vocab, hidden),
            *norm("transformer.norm_f", hidden),
        ),
    )
