"""RecurrentGemma (arXiv:2404.07839): two recurrent blocks of Griffin to one of local attention."""

from __future__ import annotations

from weighbridge.model.config import COUNT, POSITIONS, Config
from weighbridge.model.facts import Layer, Mixer, Model, Parameter
from weighbridge.model.families.hybrid import KINDS, Size, frame, stack
from weighbridge.model.families.mamba import convolution
from weighbridge.model.families.parts import (
    Shape,
    attention,
    gated_mlp,
    intermediate_size,
    linear,
    norm,
)
from weighbridge.model.mixers.rg_lru import GatedLinearRecurrence

PATTERN = ("recurrent", "recurrent", "attention")


def read(config: Config) -> Model:
    """RecurrentGemmaForCausalLM; ``block_types`` repeats, ``intermediate_size`` counts both gated
    halves."""
    shape = Shape(config)
    window = config.integer(
        "sliding window", "attention_window_size", "sliding_window", default=2048, high=POSITIONS
    )
    bias = config.boolean("attention bias", "attention_bias", default=False)
    queries, keys, name = (
        shape.heads * shape.head_dim,
        shape.kv_heads * shape.head_dim,
        "temporal_block.",
    )
    projections = (
        *linear(f"{name}q_proj", queries, shape.hidden, bias=bias),
        *linear(f"{name}k_proj", keys, shape.hidden, bias=bias),
        *linear(f"{name}v_proj", keys, shape.hidden, bias=bias),
        *linear(f"{name}o_proj", shape.hidden, queries, bias=True),
    )
    mixers: dict[str, Mixer] = {
        "full": attention(projections, shape, window),
        "recurrent": _recurrent(config, shape),
    }
    pattern = [KINDS.get(each, each) for each in config.names("blocks", "block_types") or PATTERN]
    if not pattern or set(pattern) - set(mixers):
        raise config.refuse("block_types", "names blocks that this family does not have")
    feed = gated_mlp(shape.hidden, intermediate_size(config) // 2, prefix="mlp_block.", bias=True)
    norms = (
        *norm("temporal_pre_norm", shape.hidden),
        *norm("channel_pre_norm", shape.hidden),
    )
    return frame(
        config,
        Size(config),
        stack(
            [pattern[index % len(pattern)] for index in range(shape.layers)],
            lambda kind: Layer(mixers[kind], feed, norms),
        ),
        tied=True,
        norm_name="final_norm",
        softcapped=bool(config.raw.get("logits_soft_cap", 30.0)),
        rotary_width=shape.head_dim // 2,
    )


def _recurrent(config: Config, shape: Shape) -> GatedLinearRecurrence:
    """Gates of the recurrence are block-diagonal, one block per attention head."""
    width = config.optional_integer("recurrence width", "lru_width", default=None, low=1)
    width = width or shape.hidden
    kernel = config.integer("convolution", "conv1d_width", default=4, high=COUNT)
    if width % shape.heads:
        raise config.refuse("lru_width", f"is no multiple of the {shape.heads} heads")
    block, name = width // shape.heads, "temporal_block."
    gate = (shape.heads, block, block)
    parameters = (
        *linear(f"{name}linear_y", width, shape.hidden, bias=True),
        *linear(f"{name}linear_x", width, shape.hidden, bias=True),
        *linear(f"{name}linear_out", shape.hidden, width, bias=True),
        *convolution(f"{name}conv_1d", width, kernel, bias=True),
        Parameter(f"{name}rg_lru.recurrent_param", (width,), "other"),
        Parameter(f"{name}rg_lru.input_gate_weight", gate, "other"),
        Parameter(f"{name}rg_lru.input_gate_bias", gate[:2], "bias"),
        Parameter(f"{name}rg_lru.recurrent_gate_weight", gate, "other"),
        Parameter(f"{name}rg_lru.recurrent_gate_bias", gate[:2], "bias"),
    )
    return GatedLinearRecurrence(parameters, width, kernel)
