"""GLM-4 9B and 32B: gate and up in one projection; the 0414 models have four norms a layer."""

from __future__ import annotations

from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Parameters,
    Shape,
    grouped_query_attention,
    intermediate_size,
    linear,
    norm,
    two_norms,
)
from weighbridge.model.feed_forward import Dense


def read_glm(config: Config) -> Model:
    """GlmForCausalLM."""
    shape = Shape(config, head_dim=128)
    return _frame(config, shape, two_norms(shape.hidden))


def read_glm4(config: Config) -> Model:
    """Glm4ForCausalLM."""
    shape = Shape(config, head_dim=128)
    behind = (
        *norm("post_self_attn_layernorm", shape.hidden),
        *norm("post_mlp_layernorm", shape.hidden),
    )
    return _frame(config, shape, (*two_norms(shape.hidden), *behind))


def _frame(config: Config, shape: Shape, norms: Parameters) -> Model:
    width = intermediate_size(config)
    bias = config.boolean("attention bias", "attention_bias", default=True)
    feed_forward = Dense(
        (
            *linear("mlp.gate_up_proj", 2 * width, shape.hidden),
            *linear("mlp.down_proj", shape.hidden, width),
        ),
        width,
        gated=True,
    )
    return decoder(
        config,
        shape,
        mixers={None: grouped_query_attention(shape, bias=bias)},
        feed_forward=feed_forward,
        norms=norms,
    )
