"""Nemotron of neural architecture search (Puzzle, arXiv:2411.19146): Llama's parts, each layer with
its own number of KV heads and width, or without attention or feed-forward."""

from __future__ import annotations

from dataclasses import replace

from weighbridge.model.config import COUNT, Config
from weighbridge.model.facts import FeedForward, Layer, Mixer, Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Parameters,
    Shape,
    gated_mlp,
    grouped_query_attention,
    norm,
)
from weighbridge.model.feed_forward import NoFeedForward
from weighbridge.model.mixers.nothing import NoMixing
from weighbridge.units import ceil_div

OTHER_BLOCKS = ("replace_with_linear", "sparsify", "window_length", "num_sink_tokens")
ROUNDING = 256


def read(config: Config) -> Model:
    """DeciLMForCausalLM of the checkpoint's own modeling_decilm.py."""
    shape = Shape(config)
    blocks = config.sections("block_configs")
    if blocks is None or len(blocks) != shape.layers:
        raise config.refuse("block_configs", f"does not describe {shape.layers} layers")
    made: dict[tuple[int, float], Layer] = {}
    layers = []
    for block in blocks:
        key = (_group(block), _multiple(block))
        if key not in made:
            made[key] = _layer(config, shape, *key)
        layers.append(made[key])
    frame = decoder(
        config, shape, mixers={None: layers[0].mixer}, feed_forward=layers[0].feed_forward
    )
    return replace(frame, layers=tuple(layers))


def _layer(config: Config, shape: Shape, group: int, multiple: float) -> Layer:
    """A layer of these parts; a part that is left out takes its norm along."""
    mixer: Mixer = NoMixing()
    feed_forward: FeedForward = NoFeedForward()
    norms: Parameters = ()
    if group:
        bias = config.boolean("attention bias", "attention_bias", default=False)
        if shape.heads % group:
            raise config.refuse("block_configs", f"groups {shape.heads} query heads by {group}")
        shape.kv_heads = shape.heads // group
        mixer = grouped_query_attention(shape, bias=bias, out_bias=bias)
        norms = norm("input_layernorm", shape.hidden)
    if multiple:
        bias = config.boolean("feed-forward bias", "mlp_bias", default=False)
        width = ceil_div(int(2 * multiple * shape.hidden / 3), ROUNDING) * ROUNDING
        feed_forward = gated_mlp(shape.hidden, width, bias=bias)
        norms = (*norms, *norm("post_attention_layernorm", shape.hidden))
    return Layer(mixer, feed_forward, norms)


def _group(block: Config) -> int:
    """Query heads that share a KV head; 0 where there is no attention."""
    part = _part(block, "attention")
    return 0 if part is None else part.integer("heads in group", "n_heads_in_group", high=COUNT)


def _multiple(block: Config) -> float:
    """The feed-forward's width as a multiple; 0 where there is none."""
    part = _part(block, "ffn")
    return 0.0 if part is None else part.number("feed-forward multiple", "ffn_mult", high=64)


def _part(block: Config, name: str) -> Config | None:
    part = block.section(name)
    if part is None:
        raise block.refuse(name, "is missing, so the layer cannot be known")
    for key in OTHER_BLOCKS:
        if part.raw.get(key):
            raise part.refuse(key, "is a form of block that this family does not have")
    return None if part.boolean(f"no {name}", "no_op", default=False) else part
