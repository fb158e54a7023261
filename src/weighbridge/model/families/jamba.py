"""Jamba (arXiv:2403.19887): one layer of eight attends, every second one has experts."""

from __future__ import annotations

from weighbridge.model.config import COUNT, LAYERS, Config
from weighbridge.model.facts import Layer, Model
from weighbridge.model.families.hybrid import Size, every_nth, frame, stack
from weighbridge.model.families.mamba import mamba
from weighbridge.model.families.parts import (
    Shape,
    experts,
    gated_mlp,
    grouped_query_attention,
    intermediate_size,
    linear,
    norm,
)
from weighbridge.model.feed_forward import MixtureOfExperts


def read(config: Config) -> Model:
    """JambaForCausalLM; attention without rotary positions."""
    shape = Shape(config)
    expansion = config.integer("expansion", "mamba_expand", default=2)
    recurrent = mamba(
        config, shape.hidden, expansion * shape.hidden, prefix="mamba.", keys="mamba_", normed=True
    )
    mixers = {"full": grouped_query_attention(shape), "recurrent": recurrent}
    feeds = {"dense": gated_mlp(shape.hidden, intermediate_size(config), prefix="feed_forward.")}
    sparse = _experts(config, shape.hidden)
    norms = (*norm("input_layernorm", shape.hidden), *norm("pre_ff_layernorm", shape.hidden))

    def make(kind: tuple[str, str]) -> Layer:
        mixer, feed = kind
        return Layer(mixers[mixer], feeds["dense"] if feed == "dense" else sparse, norms)

    period, offset = _period(config, "attn_layer", 8, 4)
    attends = every_nth(shape.layers, period, offset, "full", "recurrent")
    period, offset = _period(config, "expert_layer", 2, 1)
    sparse_layers = every_nth(shape.layers, period, offset, "experts", "dense")
    layers = stack(zip(attends, sparse_layers, strict=True), make)
    return frame(config, Size(config), layers, norm_name="final_layernorm")


def _period(config: Config, key: str, period: int, offset: int) -> tuple[int, int]:
    period = config.integer(f"{key} period", f"{key}_period", default=period, high=LAYERS)
    default = min(offset, period - 1)
    return period, config.integer(
        f"{key} offset", f"{key}_offset", default=default, low=0, high=period - 1
    )


def _experts(config: Config, hidden: int) -> MixtureOfExperts:
    count = config.integer("experts", "num_experts", "num_local_experts", default=16, high=COUNT)
    width = intermediate_size(config)
    return MixtureOfExperts(
        (
            *linear("feed_forward.router", count, hidden, role="router"),
            *experts("feed_forward.experts.{expert}", hidden, width, count),
        ),
        experts=count,
        top_k=config.integer("experts per token", "num_experts_per_tok", default=2, high=count),
        intermediate=width,
    )
