"""Gemma 4: sliding and full layers of different geometry, full layers whose keys are their values,
last layers without a cache of their own, and experts beside the dense feed-forward
(transformers, modeling_gemma4.py)."""

from __future__ import annotations

from collections.abc import Callable

from weighbridge.model.config import COUNT, POSITIONS, Config
from weighbridge.model.facts import FeedForward, Mixer, Model, Parameter, Tower
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.gemma import four_norms
from weighbridge.model.families.gemma3n import per_layer_embedding, per_layer_gate, without_cache
from weighbridge.model.families.gemma4_audio import audio_tower
from weighbridge.model.families.gemma4_vision import vision_tower
from weighbridge.model.families.nested import text_section, vision_section, with_towers, within
from weighbridge.model.families.parts import (
    Parameters,
    Shape,
    embedding,
    gated_mlp,
    intermediate_size,
    linear,
    norm,
    query_key_norm_attention,
)
from weighbridge.model.families.routed import expert_numbers
from weighbridge.model.families.shared_cache import Kind, kinds
from weighbridge.model.families.windows import by_layer_types, every_nth_full
from weighbridge.model.feed_forward import Dense, MixtureOfExperts
from weighbridge.model.mixers.full import FullAttention
from weighbridge.model.mixers.sliding import SlidingAttention


def read(config: Config) -> Model:
    """Gemma4ForConditionalGeneration."""
    model = within(read_text(text_section(config)))
    vision = vision_section(config)
    towers = [Tower("vision", vision_tower(vision, model.hidden))]
    audio = config.section("audio_config")
    if audio is not None:
        towers.append(Tower("audio", audio_tower(audio, model.hidden)))
    tokens = config.integer(
        "tokens per image", "vision_soft_tokens_per_image", default=280, high=POSITIONS
    )
    note = f"an image costs at most {tokens} tokens of context"
    return with_towers(model, config, *towers, notes=(note,))


def read_text(config: Config) -> Model:
    """Gemma4ForCausalLM."""
    shape = Shape(config, head_dim=256)
    window = config.integer("sliding window", "sliding_window", default=512, high=POSITIONS)
    windows = by_layer_types(config, shape.layers, window) or every_nth_full(
        shape.layers, 6, window
    )
    each = kinds(config, windows, 0)
    per_layer = config.optional_integer(
        "per-layer input", "hidden_size_per_layer_input", default=256
    )
    return decoder(
        config,
        shape,
        mixers={kind: _mixer(config, shape, kind) for kind in set(each)},
        windows=each,
        feed_forward=_feed_forward(config, shape, each),
        norms=(
            *four_norms(shape.hidden),
            *(per_layer_gate(shape.hidden, per_layer) if per_layer else ()),
        ),
        outer=(
            *embedding("model.embed_tokens", shape.vocab, shape.hidden),
            *(per_layer_embedding(config, shape, per_layer) if per_layer else ()),
            *norm("model.norm", shape.hidden),
        ),
        tied=True,
        softcapped=config.raw.get("final_logit_softcapping") is not None,
    )


def _mixer(config: Config, shape: Shape, kind: Kind) -> Mixer:
    """Sliding layers as Gemma 3's; full ones with wider heads, without values where keys serve."""
    bias = config.boolean("attention bias", "attention_bias", default=False)
    mine = shape if kind.window is not None else _full_shape(config)
    own: FullAttention | SlidingAttention = query_key_norm_attention(
        mine, bias=bias, window=kind.window
    )
    if kind.shares:
        return without_cache(own.parameters, mine, kind.window)
    if kind.window is None and config.boolean("keys are values", "attention_k_eq_v", default=False):
        kept = tuple(p for p in own.parameters if not p.name.startswith("self_attn.v_proj"))
        return FullAttention(kept, mine.heads, mine.kv_heads, mine.head_dim, mine.head_dim)
    return own


def _full_shape(config: Config) -> Shape:
    full = Shape(config, head_dim=256)
    full.head_dim = config.integer("full-layer head dim", "global_head_dim", default=512)
    if config.boolean("keys are values", "attention_k_eq_v", default=False):
        full.kv_heads = config.integer(
            "full-layer KV heads", "num_global_key_value_heads", default=full.kv_heads, high=COUNT
        )
    return full


def _feed_forward(
    config: Config, shape: Shape, each: tuple[Kind, ...]
) -> Callable[[int], FeedForward]:
    """Dense, twice as wide in layers without a cache where so said; with experts beside it."""
    width = intermediate_size(config)
    dense = gated_mlp(shape.hidden, width)
    if config.boolean("experts beside", "enable_moe_block", default=False):
        both = _with_experts(config, shape.hidden, dense)
        return lambda _: both
    double = config.boolean("double width", "use_double_wide_mlp", default=False)
    wide = gated_mlp(shape.hidden, 2 * width) if double else dense
    return lambda index: wide if each[index].shares else dense


def _with_experts(config: Config, hidden: int, dense: Dense) -> MixtureOfExperts:
    count, top_k = expert_numbers(config)
    width = config.integer("expert width", "moe_intermediate_size", "expert_intermediate_size")
    norms: Parameters = (
        *norm("post_feedforward_layernorm_1", hidden),
        *norm("post_feedforward_layernorm_2", hidden),
        *norm("pre_feedforward_layernorm_2", hidden),
    )
    return MixtureOfExperts(
        (
            *dense.parameters,
            Parameter("router.scale", (hidden,), "other"),
            Parameter("router.per_expert_scale", (count,), "other"),
            *linear("router.proj", count, hidden, role="router"),
            Parameter("experts.gate_up_proj", (count, 2 * width, hidden), "expert"),
            Parameter("experts.down_proj", (count, hidden, width), "expert"),
            *norms,
        ),
        experts=count,
        top_k=top_k,
        intermediate=width,
        shared_intermediate=dense.intermediate,
    )
