"""Softmax attention on the tape: grouped heads, one latent for all heads, and anything else.

What is kept was read from Transformers 5.23 (``sdpa_attention.py``, ``modeling_llama.py``,
``modeling_deepseek_v3.py``) and PyTorch's derivatives of scaled_dot_product_attention: queries,
keys, values, the output, and one log-sum-exp in fp32 per head.
"""

from __future__ import annotations

from typing import Any

from weighbridge.model.facts import Layer, Parameter
from weighbridge.records import replace
from weighbridge.training.scores import Saves, eager_scores, plain_scores
from weighbridge.training.style import FP32, Style, linear, norm
from weighbridge.training.tape import Op

CLOSING = ("o_proj", "out_proj", "dense", "c_proj", "wo", "proj", "o", "output.dense")
FUSED = ("query_key_value", "qkv_proj", "Wqkv", "c_attn", "in_proj", "qkv", "att_proj", "wqkv")


def _module(parameter: Parameter) -> str:
    return parameter.name.removesuffix(".weight").rsplit(".", 1)[-1]


def linears(layer: Layer) -> list[Parameter]:
    """The matrices of a layer's mixer."""
    return [p for p in layer.mixer.parameters if p.role == "linear" and len(p.shape) == 2]


def closing(weights: list[Parameter]) -> Parameter | None:
    """The projection back to the stream."""
    for weight in reversed(weights):
        if _module(weight) in CLOSING:
            return weight
    return weights[-1] if weights else None


def head_norms(layer: Layer) -> list[Parameter]:
    """Norms of queries and keys."""
    return [p for p in layer.mixer.parameters
            if p.role == "norm" and p.name.endswith(".weight")]  # fmt: skip


def grouped(layer: Layer, hidden: int, style: Style) -> list[Op]:
    """Queries, keys and values of heads, attention, and the way back."""
    mixer: Any = layer.mixer
    heads = style.cut(mixer.heads)
    kv_heads = min(style.cut(getattr(mixer, "kv_heads", mixer.heads)), heads)
    k_dim = getattr(mixer, "k_dim", None) or mixer.head_dim
    v_dim = getattr(mixer, "v_dim", None) or mixer.head_dim
    queries, keys, values = heads * k_dim, kv_heads * k_dim, kv_heads * v_dim
    weights = linears(layer)
    last = closing(weights)
    ops: list[Op] = []
    whole = None
    for weight in weights:
        if weight is last:
            continue
        name = _module(weight)
        if name in FUSED:
            whole = queries + keys + values
        out = min(style.cut(weight.shape[0]), whole or 2**62)
        ops.append(linear(weight, "x1", name, style, into=hidden, out=out))
    norms = head_norms(layer)
    for weight, (name, width, count) in zip(
        norms[:2], (("q", queries, heads), ("k", keys, kv_heads)), strict=False
    ):
        per_head = count if weight.shape[0] < width or count == 1 else 1
        ops.append(norm(weight, f"{name}_in", f"{name}_unit", style, width=width,
                        groups=per_head, bias=style.quirk.head_layer_norm,
                        stream=False))  # fmt: skip
    views = whole is not None and style.quirk.views
    ops += _attend(queries, keys, values, heads, heads * v_dim, style, whole, views=views)
    if last is not None:
        ops.append(linear(last, "attended", "mixed", style, into=heads * v_dim, out=hidden))
    return ops


def _attend(
    queries: Any, keys: Any, values: Any, heads: int, out: Any, style: Style,
    whole: Any = None, *, views: bool = False,
) -> list[Op]:  # fmt: skip
    """The attention itself; ``whole`` is the width of a fused projection whose views are kept."""
    c, eager = style.compute, style.attention == "eager"
    if style.quirk.broadcasts and style.attention == "sdpa":
        if keys < queries and heads * keys == queries:
            return plain_scores(queries, out, values, heads, style)
        style = replace(style, masked=True)
    repeated = eager or (style.masked and style.attention == "sdpa")
    # No fused kernel takes grouped heads in fp32 (sdp_utils.cpp: flash is for 16 bit, the
    # memory-efficient one refuses grouped heads), so that PyTorch multiplies matrices.
    if style.attention == "sdpa" and not style.masked and c == FP32 and keys < queries:
        return plain_scores(queries, out, out, heads, style)
    # One head for all is repeated without a copy.
    expanded = repeated and keys < queries and heads * keys != queries
    kept_keys, kept_values = (queries, out) if expanded else (keys, values)
    wide = FP32 if eager and style.quirk.wide_scores else c
    looked: Saves = (("q", queries * wide), ("k", kept_keys * wide))
    read = ("v", (whole if whole is not None and not expanded else kept_values) * c)
    if views:
        looked, read = (("qkv", whole * c),), ("qkv", whole * c)
    if eager:
        return eager_scores(looked, read, (queries + kept_keys) * c, kept_values * c, heads, style)
    twice = style.quirk.attended_twice and not style.masked
    kernel = "kernel:attended" if twice else "attended"
    saves = [*looked, read, (kernel, out * c), ("lse", heads * FP32)]
    if style.masked and style.attention == "sdpa":
        saves.append(("mask", style.seen * c))
    grads = ((queries + kept_keys + kept_values) * c,)
    return [Op(("qkv_in",), "attended", tuple(saves), grads, out * c)]


def latent(layer: Layer, hidden: int, style: Style) -> list[Op]:
    """Multi-head latent attention, its latents expanded into heads (DeepSeek-V2, section 2.1)."""
    mixer: Any = layer.mixer
    heads, c = style.cut(mixer.heads), style.compute
    weights = linears(layer)
    last = closing(weights)
    ops: list[Op] = []
    normed = {p.name.rsplit(".", 2)[-2]: p for p in head_norms(layer)}
    for weight in weights:
        if weight is last:
            continue
        name = _module(weight)
        second = name in {"q_b_proj", "kv_b_proj"}
        into = weight.shape[1] if second else hidden
        out = style.cut(weight.shape[0]) if second or name == "q_proj" else weight.shape[0]
        reads = {"q_b_proj": "q_latent", "kv_b_proj": "kv_latent"}.get(name, "x1")
        if second:
            key = "q_a_layernorm" if name.startswith("q") else "kv_a_layernorm"
            scale = normed.get(key)
            ops.append(norm(scale, f"{reads}_in", reads, style, width=into, stream=False))
        ops.append(linear(weight, reads, name, style, into=into, out=out))
    wide = heads * (mixer.nope + mixer.rope)
    joined = heads * (mixer.nope + mixer.v_dim)
    saves: list[tuple[str, Any]] = [("q", wide * c), ("k", wide * c), ("kv_b_proj:v", joined * c)]
    out = heads * mixer.v_dim
    if style.attention == "eager":
        *looked, read = saves
        ops += eager_scores(tuple(looked), read, 2 * wide * c, joined * c, heads, style)
    else:
        saves += [("attended", out * c), ("lse", heads * FP32)]
        ops.append(Op(("qkv_in",), "attended", tuple(saves), ((2 * wide + joined) * c,), out * c))
    if last is not None:
        ops.append(linear(last, "attended", "mixed", style, into=out, out=hidden))
    return ops
