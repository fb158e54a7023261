"""Mixtral: Mistral's attention with eight gated experts (arXiv:2401.04088)."""

from __future__ import annotations

from weighbridge.model.config import COUNT, Config
from weighbridge.model.facts import Model, Parameter
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Shape,
    grouped_query_attention,
    intermediate_size,
    linear,
)
from weighbridge.model.families.windows import all_sliding, window_size
from weighbridge.model.feed_forward import MixtureOfExperts


def read(config: Config) -> Model:
    """MixtralForCausalLM; experts are named w1, w3 (in) and w2 (out)."""
    shape = Shape(config)
    count = config.integer("experts", "num_local_experts", default=8, high=COUNT)
    width = intermediate_size(config)
    name = "block_sparse_moe.experts.{expert}"
    window = window_size(config, None)
    return decoder(
        config,
        shape,
        mixers={window: grouped_query_attention(shape, window=window)},
        feed_forward=MixtureOfExperts(
            (
                *linear("block_sparse_moe.gate", count, shape.hidden, role="router"),
                Parameter(f"{name}.w1.weight", (width, shape.hidden), "expert", count),
                Parameter(f"{name}.w2.weight", (shape.hidden, width), "expert", count),
                Parameter(f"{name}.w3.weight", (width, shape.hidden), "expert", count),
            ),
            experts=count,
            top_k=config.integer("experts per token", "num_experts_per_tok", default=2, high=count),
            intermediate=width,
        ),
        windows=all_sliding(shape.layers, window),
    )
