"""Inkling's text model: short convolutions in every block, relative positions, sliding layers with
more KV heads than full ones, shared experts in the router's softmax (transformers,
modeling_inkling.py; tensors as it names them)."""

from __future__ import annotations

from weighbridge.model.config import COUNT, POSITIONS, Config
from weighbridge.model.facts import Mixer, Model, Parameter
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Parameters,
    Shape,
    embedding,
    gated_mlp,
    intermediate_size,
    linear,
    norm,
)
from weighbridge.model.families.routed import by_mlp_types, expert_numbers
from weighbridge.model.feed_forward import MixtureOfExperts
from weighbridge.model.mixers.short_convolved import ShortConvolvedAttention

SLIDING, FULL = "hybrid_sliding", "hybrid"


def read(config: Config) -> Model:
    """InklingForCausalLM."""
    shape = Shape(config, head_dim=128)
    kinds = _kinds(config, shape.layers)
    dense = gated_mlp(shape.hidden, intermediate_size(config))
    first = config.integer("first dense layers", "dense_mlp_idx", default=0, low=0)
    return decoder(
        config,
        shape,
        mixers={kind: _mixer(config, shape, sliding=kind == SLIDING) for kind in set(kinds)},
        windows=kinds,
        feed_forward=by_mlp_types(
            config, shape.layers, dense, _experts(config, shape.hidden), first
        ),
        outer=(
            *embedding("model.embed_tokens", shape.vocab, shape.hidden),
            *norm("model.embed_tokens.embed_norm", shape.hidden),
            *norm("model.norm", shape.hidden),
        ),
    )


def _kinds(config: Config, layers: int) -> tuple[str, ...]:
    """From ``layer_types`` or ``local_layer_ids``; else every sixth layer is full."""
    listed = config.names("layer types", "layer_types")
    if listed is None:
        local = config.integers("sliding layers", "local_layer_ids")
        at = {i for i in range(layers) if (i + 1) % 6} if local is None else set(local)
        listed = tuple(SLIDING if index in at else FULL for index in range(layers))
    if len(listed) < layers or set(listed) - {SLIDING, FULL}:
        raise config.refuse("layer_types", f"does not name {layers} hybrid layers")
    return listed[:layers]


def _mixer(config: Config, shape: Shape, *, sliding: bool) -> Mixer:
    hidden, heads, kv_heads, head_dim = shape.hidden, shape.heads, shape.kv_heads, shape.head_dim
    extent = config.integer("relative positions", "rel_extent", default=1024, high=POSITIONS)
    window: int | None = None
    if sliding:
        heads = config.integer("sliding heads", "swa_num_attention_heads", default=64, high=COUNT)
        kv_heads = config.integer(
            "sliding KV heads", "swa_num_key_value_heads", default=16, high=COUNT
        )
        head_dim = config.integer("sliding head dim", "swa_head_dim", default=128)
        window = extent = config.integer(
            "sliding window", "sliding_window_size", "sliding_window", default=512, high=POSITIONS
        )
    relative = config.integer("relative width", "d_rel", default=16)
    taps = config.integer("convolution taps", "conv_kernel_size", default=4)
    keys = kv_heads * head_dim
    parameters = (
        *linear("self_attn.q_proj", heads * head_dim, hidden),
        *linear("self_attn.k_proj", keys, hidden),
        *linear("self_attn.v_proj", keys, hidden),
        *linear("self_attn.r_proj", heads * relative, hidden),
        *linear("self_attn.o_proj", hidden, heads * head_dim),
        *_convolution("self_attn.k_sconv", keys, taps),
        *_convolution("self_attn.v_sconv", keys, taps),
        *_convolution("attn_sconv", hidden, taps),
        *_convolution("mlp_sconv", hidden, taps),
        *norm("self_attn.q_norm", head_dim),
        *norm("self_attn.k_norm", head_dim),
        Parameter("self_attn.rel_logits_proj.proj", (relative, extent), "other"),
    )
    convolved = 2 * keys + 2 * hidden
    return ShortConvolvedAttention(parameters, heads, kv_heads, head_dim, window, convolved, taps)


def _convolution(name: str, width: int, taps: int) -> Parameters:
    return (Parameter(f"{name}.conv1d.weight", (width, 1, taps), "other"),)


def _experts(config: Config, hidden: int) -> MixtureOfExperts:
    count, top_k = expert_numbers(config)
    width = config.integer("expert width", "moe_intermediate_size", default=3072)
    shared = config.integer("shared experts", "n_shared_experts", default=2, low=0)
    sink = config.boolean("shared experts routed", "shared_expert_sink", default=True)
    name = "mlp.shared_experts"
    return MixtureOfExperts(
        (
            *linear("mlp.gate", count + (shared if sink else 0), hidden, role="router"),
            Parameter("mlp.gate.global_scale", (1,), "other"),
            Parameter("mlp.experts.gate_up_proj", (count, 2 * width, hidden), "expert"),
            Parameter("mlp.experts.down_proj", (count, hidden, width), "expert"),
            Parameter(f"{name}.gate_proj", (shared, width, hidden), "linear"),
            Parameter(f"{name}.up_proj", (shared, width, hidden), "linear"),
            Parameter(f"{name}.down_proj", (shared, hidden, width), "linear"),
        ),
        experts=count,
        top_k=top_k,
        intermediate=width,
        shared_intermediate=shared * width,
    )
