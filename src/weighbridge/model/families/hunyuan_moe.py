"""Hunyuan-A13B: norms on heads after the rotation, routed experts beside a shared one
(transformers, modeling_hunyuan_v1_moe.py)."""

from __future__ import annotations

from weighbridge.model.config import COUNT, Config
from weighbridge.model.facts import Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import Shape, grouped_query_attention, intermediate_size, norm
from weighbridge.model.families.routed import routed


def read(config: Config) -> Model:
    """HunYuanMoEV1ForCausalLM; lists by layer must agree, for all layers are made alike."""
    shape = Shape(config)
    bias = config.boolean("attention bias", "attention_bias", default=False)
    norms = (
        *norm("self_attn.query_layernorm", shape.head_dim),
        *norm("self_attn.key_layernorm", shape.head_dim),
    )
    count = config.integer("experts", "num_experts", default=1, high=COUNT)
    width = intermediate_size(config)
    return decoder(
        config,
        shape,
        mixers={None: grouped_query_attention(shape, bias=bias, out_bias=bias, extra=norms)},
        feed_forward=routed(
            shape.hidden,
            width,
            count,
            _one(config, "experts per token", "moe_topk", count),
            router="gate.wg",
            shared=width,
            shared_name="shared_mlp",
        ),
    )


def _one(config: Config, fact: str, key: str, high: int) -> int:
    """A number up to ``high``, or a list of equal ones for the layers."""
    value = config.raw.get(key)
    if not isinstance(value, list):
        return config.integer(fact, key, default=1, high=high)
    numbers = set(config.integers(fact, key) or ())
    if len(numbers) != 1:
        raise config.refuse(key, "differs by layer")
    (number,) = numbers
    if not 1 <= number <= high:
        raise config.refuse(key, f"is outside 1 … {high:,}")
    return number
