"""MiniMax-Text-01 and M1 (arXiv:2501.08313): seven layers of lightning attention to one of softmax
attention, all with experts."""

from __future__ import annotations

from weighbridge.model.config import COUNT, Config
from weighbridge.model.facts import Layer, Model, Parameter
from weighbridge.model.families.hybrid import Size, every_nth, frame, listed_kinds, stack
from weighbridge.model.families.parts import (
    Shape,
    grouped_query_attention,
    intermediate_size,
    linear,
    norm,
    two_norms,
)
from weighbridge.model.feed_forward import MixtureOfExperts
from weighbridge.model.mixers.lightning import LightningAttention


def read(config: Config) -> Model:
    """MiniMaxForCausalLM."""
    shape = Shape(config)
    mixers = {"recurrent": _lightning(shape), "full": grouped_query_attention(shape)}
    kinds = listed_kinds(config, mixers, "layer_types", layers=shape.layers) or every_nth(
        shape.layers, 2, 0, "full", "recurrent"
    )
    feed, norms = _experts(config, shape.hidden), two_norms(shape.hidden)
    layers = stack(kinds, lambda kind: Layer(mixers[kind], feed, norms))
    return frame(config, Size(config), layers, rotary_width=shape.head_dim)


def _lightning(shape: Shape) -> LightningAttention:
    inner, name = shape.heads * shape.head_dim, "self_attn."
    parameters = (
        *norm(f"{name}norm", inner),
        *linear(f"{name}qkv_proj", 3 * inner, shape.hidden),
        *linear(f"{name}out_proj", shape.hidden, inner),
        *linear(f"{name}output_gate", inner, shape.hidden),
    )
    return LightningAttention(parameters, shape.heads, shape.head_dim)


def _experts(config: Config, hidden: int) -> MixtureOfExperts:
    count = config.integer("experts", "num_local_experts", "num_experts", default=8, high=COUNT)
    width, name = intermediate_size(config), "block_sparse_moe.experts.{expert}"
    return MixtureOfExperts(
        (
            *linear("block_sparse_moe.gate", count, hidden, role="router"),
            Parameter(f"{name}.w1.weight", (width, hidden), "expert", count),
            Parameter(f"{name}.w2.weight", (hidden, width), "expert", count),
            Parameter(f"{name}.w3.weight", (width, hidden), "expert", count),
        ),
        experts=count,
        top_k=config.integer("experts per token", "num_experts_per_tok", default=2, high=count),
        intermediate=width,
    )
