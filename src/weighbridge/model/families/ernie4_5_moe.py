"""ERNIE 4.5's mixtures: experts from one layer to another, with shared ones
(transformers, modeling_ernie4_5_moe.py)."""

from __future__ import annotations

from weighbridge.model.config import LAYERS, Config
from weighbridge.model.facts import Model, Parameter
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Shape,
    gated_mlp,
    grouped_query_attention,
    intermediate_size,
)
from weighbridge.model.families.routed import expert_numbers, routed
from weighbridge.model.feed_forward import Dense, MixtureOfExperts


def read(config: Config) -> Model:
    """Ernie4_5_MoeForCausalLM; sparse from ``moe_layer_start_index`` to ``moe_layer_end_index``."""
    shape = Shape(config)
    bias = config.boolean("biases", "use_bias", default=False)
    sparse = _experts(config, shape.hidden)
    dense = gated_mlp(shape.hidden, intermediate_size(config), bias=bias)
    first = config.integer(
        "first sparse layer", "moe_layer_start_index", default=1, low=0, high=LAYERS
    )
    last = config.integer("last sparse layer", "moe_layer_end_index", default=-1, low=-1)
    last = shape.layers - 1 if last == -1 else last
    step = config.integer("sparse step", "moe_layer_interval", default=1)

    def at(index: int) -> Dense | MixtureOfExperts:
        return sparse if first <= index <= last and (index + 1) % step == 0 else dense

    return decoder(
        config,
        shape,
        mixers={None: grouped_query_attention(shape, bias=bias, out_bias=bias)},
        feed_forward=at,
        tied=True,
    )


def _experts(config: Config, hidden: int) -> MixtureOfExperts:
    count, top_k = expert_numbers(config, "moe_num_experts")
    width = config.integer("expert width", "moe_intermediate_size")
    shared = config.optional_integer("shared experts", "moe_num_shared_experts", default=2) or 0
    correction = Parameter("mlp.moe_statics.e_score_correction_bias", (1, count), "other")
    return routed(hidden, width, count, top_k, shared=shared * width, extra=(correction,))
