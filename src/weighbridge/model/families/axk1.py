"""A.X-K1: DeepSeek-V3's shape with a norm after the experts (transformers, modeling_axk1.py)."""

from __future__ import annotations

from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.deepseek import LatentShape, latent_attention
from weighbridge.model.families.parts import gated_mlp, intermediate_size, norm
from weighbridge.model.families.routed import by_mlp_types, expert_numbers, routed, shared_width


def read(config: Config) -> Model:
    """AXK1ForCausalLM; the norm is part of the sparse layers only."""
    shape = LatentShape(config)
    count, top_k = expert_numbers(config)
    width = config.integer("expert width", "moe_intermediate_size", default=2048)
    sparse = routed(
        shape.hidden,
        width,
        count,
        top_k,
        shared=shared_width(config, width, 1),
        extra=norm("post_mlp_layernorm", shape.hidden),
    )
    first = config.integer("first dense layers", "first_k_dense_replace", default=1, low=0)
    return decoder(
        config,
        shape,
        mixers={None: latent_attention(config, shape)},
        feed_forward=by_mlp_types(
            config, shape.layers, gated_mlp(shape.hidden, intermediate_size(config)), sparse, first
        ),
    )
