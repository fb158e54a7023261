"""Llama 4 (Scout, Maverick): three chunked layers to each full one, fused experts beside a shared
one, and a vision tower (transformers, modeling_llama4.py)."""

from __future__ import annotations

from collections.abc import Callable

from weighbridge.model.config import COUNT, POSITIONS, Config
from weighbridge.model.facts import FeedForward, Mixer, Model, Parameter
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.llama4_vision import image_note, vision_tower
from weighbridge.model.families.nested import text_section, under, vision_section, with_towers
from weighbridge.model.families.parts import (
    Shape,
    gated_mlp,
    grouped_query_attention,
    intermediate_size,
    linear,
)
from weighbridge.model.feed_forward import MixtureOfExperts
from weighbridge.model.mixers.chunked import ChunkedAttention


def read(config: Config) -> Model:
    """Llama4ForConditionalGeneration."""
    model = read_text(text_section(config))
    vision = vision_section(config)
    tower = vision_tower(vision, model.hidden)
    return with_towers(under(model), config, tower, notes=(image_note(vision),))


def read_text(config: Config) -> Model:
    """Llama4ForCausalLM."""
    shape = Shape(config, head_dim=128)
    bias = config.boolean("attention bias", "attention_bias", default=False)
    full = grouped_query_attention(shape, bias=bias, out_bias=bias)
    chunk = config.optional_integer(
        "attention chunk", "attention_chunk_size", default=8192, high=POSITIONS
    )
    chunked: Mixer = full
    if chunk:
        geometry = (shape.heads, shape.kv_heads, shape.head_dim, shape.head_dim)
        chunked = ChunkedAttention(full.parameters, *geometry, chunk)
    return decoder(
        config,
        shape,
        mixers={"full_attention": full, "chunked_attention": chunked},
        windows=_kinds(config, shape.layers),
        feed_forward=_feed_forward(config, shape),
    )


def _kinds(config: Config, layers: int) -> tuple[str, ...]:
    """From ``layer_types``, or ``no_rope_layers`` (1 where there *are* rotary positions)."""
    listed = config.names("layer types", "layer_types")
    if listed is None:
        rotary = config.integers("rotary layers", "no_rope_layers")
        period = config.integer("full-attention period", "no_rope_layer_interval", default=4)
        rotary = rotary or tuple(int((index + 1) % period != 0) for index in range(layers))
        listed = tuple("chunked_attention" if each else "full_attention" for each in rotary)
    if len(listed) < layers or set(listed) - {"full_attention", "chunked_attention"}:
        raise config.refuse("layer_types", f"does not name {layers} full or chunked layers")
    return listed


def _feed_forward(config: Config, shape: Shape) -> Callable[[int], FeedForward]:
    """Sparse at every ``interleave_moe_layer_step``-th layer or where ``moe_layers`` says."""
    count = config.integer("experts", "num_local_experts", default=16, high=COUNT)
    width, hidden = intermediate_size(config), shape.hidden
    dense = gated_mlp(
        hidden,
        config.integer("dense width", "intermediate_size_mlp", default=16384),
        prefix="feed_forward.",
    )
    name = "feed_forward.experts"
    sparse = MixtureOfExperts(
        (
            Parameter(f"{name}.gate_up_proj", (count, hidden, 2 * width), "expert"),
            Parameter(f"{name}.down_proj", (count, width, hidden), "expert"),
            *linear("feed_forward.router", count, hidden, role="router"),
            *gated_mlp(hidden, width, prefix="feed_forward.shared_expert.").parameters,
        ),
        experts=count,
        top_k=config.integer("experts per token", "num_experts_per_tok", default=1, high=count),
        intermediate=width,
        shared_intermediate=width,
    )
    step = config.integer("sparse step", "interleave_moe_layer_step", default=1)
    listed = config.integers("sparse layers", "moe_layers")
    at = frozenset(range(step - 1, shape.layers, step) if listed is None else listed)
    return lambda index: sparse if index in at else dense
