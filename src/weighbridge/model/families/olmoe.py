"""OLMoE and FlexOlmo: norms over all heads' queries and keys together, routed experts only
(arXiv:2409.02060; transformers, modeling_flex_olmo.py)."""

from __future__ import annotations

from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.minimax_m2 import whole_norms
from weighbridge.model.families.parts import (
    Parameters,
    Shape,
    grouped_query_attention,
    intermediate_size,
    norm,
)
from weighbridge.model.families.routed import expert_numbers, routed


def read(config: Config) -> Model:
    """OlmoeForCausalLM."""
    return _read(config, None)


def read_flex(config: Config) -> Model:
    """FlexOlmoForCausalLM: norms after attention and feed-forward, none before."""
    hidden = config.integer("hidden size", "hidden_size")
    after = (*norm("post_attention_layernorm", hidden), *norm("post_feedforward_layernorm", hidden))
    return _read(config, after)


def _read(config: Config, norms: Parameters | None) -> Model:
    shape = Shape(config)
    bias = config.boolean("attention bias", "attention_bias", default=False)
    count, top_k = expert_numbers(config)
    mixer = grouped_query_attention(shape, bias=bias, out_bias=bias, extra=whole_norms(shape))
    return decoder(
        config,
        shape,
        mixers={None: mixer},
        feed_forward=routed(shape.hidden, intermediate_size(config), count, top_k),
        norms=norms,
    )
