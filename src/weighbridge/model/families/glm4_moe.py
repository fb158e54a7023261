"""GLM-4.5, GLM-4.6 and Solar Open: grouped-query attention, first dense layers, routed experts
beside a shared one (transformers, modeling_glm4_moe.py and modeling_solar_open.py)."""

from __future__ import annotations

from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Shape,
    gated_mlp,
    grouped_query_attention,
    intermediate_size,
    query_key_norm_attention,
)
from weighbridge.model.families.routed import by_mlp_types, expert_numbers, routed, shared_width


def read(config: Config) -> Model:
    """Glm4MoeForCausalLM; ``use_qk_norm`` puts norms on each head's queries and keys."""
    shape = Shape(config, head_dim=128)
    bias = config.boolean("attention bias", "attention_bias", default=False)
    mixer = grouped_query_attention(shape, bias=bias)
    if config.boolean("query and key norms", "use_qk_norm", default=False):
        mixer = query_key_norm_attention(shape, bias=bias)
        mixer = grouped_query_attention(
            shape, bias=bias, extra=tuple(p for p in mixer.parameters if "_norm." in p.name)
        )
    count, top_k = expert_numbers(config)
    width = config.integer("expert width", "moe_intermediate_size")
    first = config.integer("first dense layers", "first_k_dense_replace", default=1, low=0)
    return decoder(
        config,
        shape,
        mixers={None: mixer},
        feed_forward=by_mlp_types(
            config,
            shape.layers,
            gated_mlp(shape.hidden, intermediate_size(config)),
            routed(shape.hidden, width, count, top_k, shared=shared_width(config, width, 1)),
            first,
        ),
    )


def read_solar_open(config: Config) -> Model:
    """SolarOpenForCausalLM: every layer is sparse."""
    shape = Shape(config, head_dim=128)
    bias = config.boolean("attention bias", "attention_bias", default=False)
    count, top_k = expert_numbers(config)
    width = config.integer("expert width", "moe_intermediate_size", default=1280)
    return decoder(
        config,
        shape,
        mixers={None: grouped_query_attention(shape, bias=bias)},
        feed_forward=routed(
            shape.hidden, width, count, top_k, shared=shared_width(config, width, 1)
        ),
    )
