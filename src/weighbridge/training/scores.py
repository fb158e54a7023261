"""Attention that writes out its scores, on the tape: eager modules, and PyTorch's own products.

Each step of the way back needs other tensors: the product with the values first, then casts and
dropout, the softmax (its result, the gradient that comes in and the one that goes out), and the
product of queries and keys last.
"""

from __future__ import annotations

from typing import Any

from weighbridge.training.style import FP32, Style
from weighbridge.training.tape import Op

INDEX = 8
Saves = tuple[tuple[str, Any], ...]


def plain_scores(queries: Any, out: Any, values: Any, heads: int, style: Style) -> list[Op]:
    """The products that PyTorch writes out where no kernel fits: scaled queries and repeated keys,
    an fp32 softmax, dropout's output and mask, and repeated values (aten
    native/transformers/attention.cpp, _scaled_dot_product_attention_math). Halves become fp32;
    ``values`` is the width of the values' gradient."""
    size = heads * style.seen * FP32
    looked = (("q", queries * FP32), ("k", queries * FP32))
    ops = [
        Op(("qkv_in",), "scores", looked, (2 * queries * FP32,), size),
        Op(("scores",), "chances", (("probabilities", size),), (size,), size),
    ]
    if not style.quirk.drops:
        return [*ops, _with_values("chances", "probabilities", ("v", out * FP32), size,
                                   values * FP32)]  # fmt: skip
    mask = (("probabilities:mask", size // FP32),)
    return [*ops, Op(("chances",), "dropped", mask, (size,), size),
            _with_values("dropped", "probabilities:dropped", ("v", out * FP32), size,
                         values * FP32)]  # fmt: skip


def _with_values(reads: str, kept: str, values: tuple[str, Any], size: Any, grad: Any) -> Op:
    """Probabilities × values: keeps both, and hands a gradient to both."""
    return Op((reads, "v_in"), "attended", ((kept, size), values), (size, grad), grad)


def eager_scores(
    looked: Saves, values: tuple[str, Any], looked_grad: Any, values_grad: Any, heads: int,
    style: Style,
) -> list[Op]:  # fmt: skip
    """Transformers' eager attention: an fp32 softmax, its copy in the type of the products, and
    dropout's output and mask; Megatron-LM's fused softmax works in 16 bit (5 bytes with dropout,
    arXiv:2205.05198). ``looked`` are queries and keys."""
    c, count = style.compute, heads * style.seen
    first = Op(("qkv_in",), "scores", looked, (looked_grad,), count * c)
    if style.kernels == "megatron":
        kept = ("probabilities", count * 5)
        return [first, Op(("scores", "v_in"), "attended", (kept, values),
                          (count * 2 * c, values_grad), values_grad)]  # fmt: skip
    if style.quirk.narrow_softmax:
        return [first, *_with_sink(values, values_grad, heads, style)]
    ops = [first]
    if style.quirk.capped:
        ops.append(Op(("scores",), "capped", (("scores:capped", count * c),), (count * c,), 0))
    name = "capped" if style.quirk.capped else "scores"
    ops.append(Op((name,), "chances", (("probabilities", count * FP32),), (count * FP32,), 0))
    last, kept_name = "chances", "probabilities"
    if c != FP32:
        ops.append(Op((last,), "cast", (("probabilities:cast", count * c),), (count * FP32,), 0))
        last, kept_name = "cast", "probabilities:cast"
    if style.quirk.masks:
        ops.append(Op((last,), "dropped", (("probabilities:mask", count),), (count * c,), 0))
        last, kept_name = "dropped", "probabilities:dropped"
    return [*ops, _with_values(last, kept_name, values, count * c, values_grad)]


def _with_sink(values: tuple[str, Any], grad: Any, heads: int, style: Style) -> list[Op]:
    """gpt-oss: one score more for each head, the largest taken off, and a softmax in the type of
    the products (modeling_gpt_oss.py, eager_attention_forward)."""
    c = style.compute
    size = heads * (style.seen + 1) * c
    largest = (("scores:largest", heads * INDEX),)
    return [
        Op(("scores",), "lowered", largest, (size,), size, scratch=size),
        Op(("lowered",), "chances", (("probabilities", size),), (size,), size),
        _with_values("chances", "probabilities", values, size, grad),
    ]
