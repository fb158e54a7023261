"""Trinity (AFMoE): gated attention, three sliding layers to each full one, four norms a layer
(transformers, modeling_afmoe.py)."""

from __future__ import annotations

from weighbridge.model.config import LAYERS, Config
from weighbridge.model.facts import Model, Parameter
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Parameters,
    Shape,
    gated_mlp,
    grouped_query_attention,
    intermediate_size,
    linear,
    norm,
)
from weighbridge.model.families.routed import expert_numbers, routed, shared_width
from weighbridge.model.families.windows import by_layer_types, every_nth_full, window_size


def read(config: Config) -> Model:
    """AfmoeForCausalLM; the first ``num_dense_layers`` are dense."""
    shape = Shape(config, head_dim=128)
    window = window_size(config, 1024)
    period = config.integer("full-attention period", "global_attn_every_n_layers", default=4)
    windows = by_layer_types(config, shape.layers, window) or every_nth_full(
        shape.layers, period, window
    )
    dense = gated_mlp(shape.hidden, intermediate_size(config))
    count, top_k = expert_numbers(config)
    width = config.integer("expert width", "moe_intermediate_size", default=1408)
    sparse = routed(
        shape.hidden,
        width,
        count,
        top_k,
        router="router.gate",
        shared=shared_width(config, width, 2),
        extra=(Parameter("mlp.expert_bias", (count,), "other"),),
    )
    first = config.integer("first dense layers", "num_dense_layers", default=1, low=0, high=LAYERS)
    extra = gate_and_norms(shape)
    return decoder(
        config,
        shape,
        mixers={each: grouped_query_attention(shape, window=each, extra=extra) for each in windows},
        windows=windows,
        feed_forward=lambda index: dense if index < first else sparse,
        norms=(
            *norm("input_layernorm", shape.hidden),
            *norm("post_attention_layernorm", shape.hidden),
            *norm("pre_mlp_layernorm", shape.hidden),
            *norm("post_mlp_layernorm", shape.hidden),
        ),
    )


def gate_and_norms(shape: Shape) -> Parameters:
    """Norms on each head's queries and keys, and a gate on the attention's output."""
    return (
        *norm("self_attn.q_norm", shape.head_dim),
        *norm("self_attn.k_norm", shape.head_dim),
        *linear("self_attn.gate_proj", shape.heads * shape.head_dim, shape.hidden),
    )
