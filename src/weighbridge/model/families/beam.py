"""Beam 1.0: gated attention, five sliding layers to each full one and a full one last
(transformers, modeling_beam.py)."""

from __future__ import annotations

from weighbridge.model.config import Config
from weighbridge.model.facts import Model, Parameter
from weighbridge.model.families.afmoe import gate_and_norms
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.gemma import four_norms
from weighbridge.model.families.parts import (
    Shape,
    gated_mlp,
    grouped_query_attention,
    intermediate_size,
)
from weighbridge.model.families.routed import by_mlp_types, expert_numbers, routed
from weighbridge.model.families.windows import by_layer_types, every_nth_full, window_size


def read(config: Config) -> Model:
    """BeamForCausalLM."""
    shape = Shape(config, head_dim=128)
    window = window_size(config, 512)
    windows = by_layer_types(config, shape.layers, window) or (
        *every_nth_full(shape.layers - 1, 6, window),
        None,
    )
    extra = (
        *gate_and_norms(shape),
        Parameter("self_attn.gate_bias", (shape.heads,), "bias"),
    )
    count, top_k = expert_numbers(config)
    width = config.integer("expert width", "moe_intermediate_size", default=2560)
    return decoder(
        config,
        shape,
        mixers={each: grouped_query_attention(shape, window=each, extra=extra) for each in windows},
        windows=windows,
        feed_forward=by_mlp_types(
            config,
            shape.layers,
            gated_mlp(shape.hidden, intermediate_size(config)),
            routed(shape.hidden, width, count, top_k),
            3,
        ),
        norms=four_norms(shape.hidden),
        softcapped=config.raw.get("final_logit_softcapping", 30.0) is not None,
    )
