"""Gemma 3n's text model: alternating updates, low-rank residuals, an embedding per layer, and last
layers that reuse an earlier one's cache (transformers, modeling_gemma3n.py)."""

from __future__ import annotations

from weighbridge.model.config import POSITIONS, VOCABULARY, Config
from weighbridge.model.facts import Mixer, Model, Parameter
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.gemma import four_norms
from weighbridge.model.families.parts import (
    Parameters,
    Shape,
    embedding,
    gated_mlp,
    linear,
    norm,
    query_key_norm_attention,
)
from weighbridge.model.families.shared_cache import Kind, kinds
from weighbridge.model.families.windows import by_layer_types, every_nth_full
from weighbridge.model.mixers.shared import SharedAttention


def read(config: Config) -> Model:
    """Gemma3nForCausalLM."""
    shape = Shape(config, head_dim=256)
    bias = config.boolean("attention bias", "attention_bias", default=False)
    window = config.integer("sliding window", "sliding_window", default=512, high=POSITIONS)
    windows = by_layer_types(config, shape.layers, window) or every_nth_full(
        shape.layers, 5, window
    )
    each = kinds(config, windows, 15)
    streams = config.integer("alternating streams", "altup_num_inputs", default=4)
    low_rank = config.integer("low-rank residual", "laurel_rank", default=64)
    per_layer = config.integer("per-layer input", "hidden_size_per_layer_input", default=256)
    return decoder(
        config,
        shape,
        mixers={kind: _mixer(shape, kind, bias=bias) for kind in set(each)},
        windows=each,
        feed_forward=gated_mlp(shape.hidden, _width(config)),
        norms=(
            *four_norms(shape.hidden),
            *_alternating(shape.hidden, streams, low_rank),
            *per_layer_gate(shape.hidden, per_layer),
        ),
        outer=(
            *embedding("model.embed_tokens", shape.vocab, shape.hidden),
            *per_layer_embedding(config, shape, per_layer),
            *_projections(shape.hidden, streams),
            *norm("model.norm", shape.hidden),
        ),
        tied=True,
        softcapped=config.raw.get("final_logit_softcapping", 30.0) is not None,
    )


def _width(config: Config) -> int:
    """``intermediate_size``, which may be a list of one equal width per layer."""
    listed = config.raw.get("intermediate_size")
    if not isinstance(listed, list):
        return config.integer("feed-forward width", "intermediate_size")
    widths = set(config.integers("feed-forward width", "intermediate_size") or ())
    if len(widths) != 1:
        raise config.refuse("intermediate_size", "has widths that differ by layer")
    return widths.pop()


def _mixer(shape: Shape, kind: Kind, *, bias: bool) -> Mixer:
    own = query_key_norm_attention(shape, bias=bias, window=kind.window)
    return without_cache(own.parameters, shape, kind.window) if kind.shares else own


def without_cache(parameters: Parameters, shape: Shape, window: int | None) -> SharedAttention:
    """The same attention without projections for the keys and values it does not make."""
    unused = ("self_attn.k_proj", "self_attn.v_proj", "self_attn.k_norm")
    return SharedAttention(
        tuple(each for each in parameters if not each.name.startswith(unused)),
        shape.heads,
        shape.kv_heads,
        shape.head_dim,
        shape.head_dim,
        window,
    )


def _alternating(hidden: int, streams: int, low_rank: int) -> Parameters:
    """AltUp's router and coefficients (arXiv:2301.13310) and Laurel's two halves."""
    return (
        Parameter("altup.correct_output_scale", (hidden,), "other"),
        *linear("altup.correction_coefs", streams, streams, role="other"),
        *linear("altup.prediction_coefs", streams**2, streams, role="other"),
        *linear("altup.modality_router", streams, hidden, role="router"),
        *norm("altup.router_norm", hidden),
        *linear("laurel.linear_left", low_rank, hidden),
        *linear("laurel.linear_right", hidden, low_rank),
        *norm("laurel.post_laurel_norm", hidden),
    )


def _projections(hidden: int, streams: int) -> Parameters:
    return tuple(
        parameter
        for name in ("altup_projections", "altup_unembed_projections")
        for index in range(streams - 1)
        for parameter in linear(f"model.{name}.{index}", hidden, hidden)
    )


def per_layer_gate(hidden: int, width: int) -> Parameters:
    """A layer's way to mix in its own embedding of the token."""
    return (
        *linear("per_layer_input_gate", width, hidden),
        *linear("per_layer_projection", hidden, width),
        *norm("post_per_layer_input_norm", hidden),
    )


def per_layer_embedding(config: Config, shape: Shape, width: int) -> Parameters:
    """One embedding table for all layers' own embeddings of a token."""
    rows = config.integer(
        "per-layer vocabulary", "vocab_size_per_layer_input", default=262144, high=VOCABULARY
    )
    return (
        *embedding("model.embed_tokens_per_layer", rows, shape.layers * width),
        *linear("model.per_layer_model_projection", shape.layers * width, shape.hidden),
        *norm("model.per_layer_projection_norm", width),
    )
