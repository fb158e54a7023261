"""``F.scaled_dot_product_attention`` as a CUDA build would run it, on tensors without a device.

Fake and meta tensors take the CPU's choice of kernel, or the mathematical one with its square of
scores. Here the call goes to the CUDA operator that the card would choose; its shape function and
its autograd formula run anywhere, so that what it saves is what a card saves.

The choice follows aten/src/ATen/native/transformers/cuda/sdp_utils.cpp (torch 2.13): flash for
half precision, equal head dims up to 256 and no mask; memory-efficient for a mask, another type or
unequal dims, but never with grouped heads; else the mathematical one. cuDNN comes first on Hopper
and data-centre Blackwell, where its runtime is new enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from weighbridge.trace.autocast import below, in_product_type

aten = torch.ops.aten
HALF = (torch.float16, torch.bfloat16)
LARGEST_FLASH_HEAD = 256
ALIGNMENT = 8  # both kernels want head dims, and rows of a mask, in multiples of 8


def chosen_kernel(query: Any, key: Any, value: Any, mask: Any, *, gqa: bool, kernel: str) -> str:
    """``flash``, ``efficient``, ``cudnn`` or ``math``."""
    if kernel == "math":
        return kernel
    heads = query.shape[-3] != key.shape[-3]
    if heads and not gqa:
        return "math"  # sdp_utils_cpp.h, check_batch_size_and_num_heads_dense: it broadcasts
    grouped = gqa and heads
    half = query.dtype in HALF
    equal = query.shape[-1] == value.shape[-1]
    if kernel == "cudnn" and half and query.shape[-1] % ALIGNMENT == 0:
        return kernel
    flash = half and equal and mask is None and query.shape[-1] <= LARGEST_FLASH_HEAD
    if flash and kernel != "efficient":
        return "flash"
    return "math" if grouped else "efficient"


def attention_of(kernel: str) -> Callable[..., torch.Tensor]:
    """A replacement of ``F.scaled_dot_product_attention`` for a card with this preference."""

    def attend(
        query: Any,
        key: Any,
        value: Any,
        attn_mask: Any = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Any:
        query, key, value, attn_mask = in_product_type((query, key, value, attn_mask))
        name = chosen_kernel(query, key, value, attn_mask, gqa=enable_gqa, kernel=kernel)
        if query.dim() != 4:
            name = "math"
        run = {"flash": _flash, "efficient": _efficient, "cudnn": _cudnn, "math": _math}[name]
        with below():
            return run(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa)

    return attend


def _flash(q: Any, k: Any, v: Any, mask: Any, p: float, causal: bool, scale: Any, gqa: bool) -> Any:  # noqa: ARG001
    dim = q.shape[-1]
    scale = dim**-0.5 if scale is None else scale
    padded = [_padded(each, ALIGNMENT) for each in (q, k, v)]
    out = aten._scaled_dot_product_flash_attention(*padded, p, causal, False, scale=scale)[0]
    return out[..., :dim]


def _efficient(
    q: Any,
    k: Any,
    v: Any,
    mask: Any,
    p: float,
    causal: bool,
    scale: Any,
    gqa: bool,  # noqa: ARG001
) -> Any:
    bias = None if mask is None else _bias(mask, q, k)
    keeps = torch.is_grad_enabled() and any(each.requires_grad for each in (q, k, v))
    return aten._scaled_dot_product_efficient_attention(
        q, k, v, bias, keeps, p, causal, scale=scale
    )[0]


def _cudnn(q: Any, k: Any, v: Any, mask: Any, p: float, causal: bool, scale: Any, gqa: bool) -> Any:  # noqa: ARG001
    bias = None if mask is None else _bias(mask, q, k)
    keeps = torch.is_grad_enabled() and any(each.requires_grad for each in (q, k, v))
    return aten._scaled_dot_product_cudnn_attention(
        q, k, v, bias, keeps, p, causal, False, scale=scale
    )[0]


def _math(q: Any, k: Any, v: Any, mask: Any, p: float, causal: bool, scale: Any, gqa: bool) -> Any:
    if p > 0:
        return _math_with_dropout(q, k, v, mask, p, causal, scale, gqa)
    return aten._scaled_dot_product_attention_math(
        q, k, v, mask, p, causal, None, scale=scale, enable_gqa=gqa
    )[0]


def _math_with_dropout(
    q: Any, k: Any, v: Any, mask: Any, p: float, causal: bool, scale: Any, gqa: bool
) -> Any:
    """The same products with dropout as a card has it, whose mask is one byte: on a CPU the
    operator would keep the noise in the type of the scores (attention.cpp, aten Dropout.cpp)."""
    kind, root = q.dtype, (q.shape[-1] ** -0.5 if scale is None else scale) ** 0.5
    q, k, v = (each.float() if kind in HALF else each for each in (q, k, v))
    if gqa:
        times = q.shape[-3] // k.shape[-3]
        k, v = (each.repeat_interleave(times, -3) for each in (k, v))
    scores = (q * root) @ (k.transpose(-2, -1) * root)
    if causal:
        shape = (q.shape[-2], k.shape[-2])
        allowed = torch.ones(shape, dtype=torch.bool, device=q.device).tril()
        mask = torch.zeros((), dtype=q.dtype, device=q.device).where(allowed, float("-inf"))
    if mask is not None:
        scores = scores.add_(_bias(mask, q, k))
    chances = torch.native_dropout(aten._safe_softmax(scores, -1), p, True)[0]
    return (chances @ v).to(kind)


def _bias(mask: Any, query: Any, key: Any) -> Any:
    """A mask as the kernel reads it: a float bias, rows padded in memory, over all heads."""
    if mask.dtype == torch.bool:
        zero = torch.zeros((), dtype=query.dtype, device=mask.device)
        mask = torch.where(mask.logical_not(), float("-inf"), zero)
    width = mask.shape[-1]
    if width % ALIGNMENT:
        mask = _padded(mask, ALIGNMENT)[..., :width]
    return mask.expand(query.shape[0], query.shape[1], query.shape[2], key.shape[2])


def _padded(tensor: Any, multiple: int) -> Any:
    rest = -tensor.shape[-1] % multiple
    return torch.nn.functional.pad(tensor, (0, rest)) if rest else tensor


@contextmanager
def card_attention(kernel: str) -> Iterator[None]:
    """Within the block, attention is a card's."""
    functional = torch.nn.functional
    original = functional.scaled_dot_product_attention
    functional.scaled_dot_product_attention = attention_of(kernel)
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = original
