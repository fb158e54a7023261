"""DBRX: one projection for q, k and v, experts as three tensors for all of them
(transformers, modeling_dbrx.py)."""

from __future__ import annotations

from weighbridge.model.config import COUNT, Config
from weighbridge.model.facts import Model, Parameter
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import Shape, attention, embedding, linear, norm
from weighbridge.model.feed_forward import MixtureOfExperts


def read(config: Config) -> Model:
    """DbrxForCausalLM; ``attn_config`` and ``ffn_config`` hold what decides the shapes."""
    shape = Shape(config)
    shape.head_dim = shape.hidden // shape.heads
    attending = config.section("attn_config")
    if attending is not None:
        shape.kv_heads = attending.integer("KV heads", "kv_n_heads", default=1, high=COUNT)
    rows = (shape.heads + 2 * shape.kv_heads) * shape.head_dim
    projections = (
        *linear("norm_attn_norm.attn.Wqkv", rows, shape.hidden),
        *linear("norm_attn_norm.attn.out_proj", shape.hidden, shape.heads * shape.head_dim),
    )
    return decoder(
        config,
        shape,
        mixers={None: attention(projections, shape, None)},
        feed_forward=_experts(config, shape.hidden),
        norms=(
            *norm("norm_attn_norm.norm_1", shape.hidden),
            *norm("norm_attn_norm.norm_2", shape.hidden),
        ),
        outer=(
            *embedding("transformer.wte", shape.vocab, shape.hidden),
            *norm("transformer.norm_f", shape.hidden),
        ),
        layer_prefix="transformer.blocks.",
    )


def _experts(config: Config, hidden: int) -> MixtureOfExperts:
    section = config.section("ffn_config") or Config({}, config.where, config.answers)
    count = section.integer("experts", "moe_num_experts", default=4, high=COUNT)
    width = section.integer("expert width", "ffn_hidden_size", default=3584)
    return MixtureOfExperts(
        (
            *linear("ffn.router.layer", count, hidden, role="router"),
            *(
                Parameter(f"ffn.experts.mlp.{name}", (count * width, hidden), "expert")
                for name in ("w1", "v1", "w2")
            ),
        ),
        experts=count,
        top_k=section.integer("experts per token", "moe_top_k", default=1, high=count),
        intermediate=width,
    )
