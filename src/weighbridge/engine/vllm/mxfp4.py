"""Experts in MXFP4, whose dimensions the kernels pad.

vLLM layers/quantization/mxfp4.py: Marlin pads the width to 128 and the hidden size to 256; the
Triton kernels of Hopper pad what they sum over to 256, which is read off "Model loading took
64.38 GiB" of gpt-oss-120b (vllm#33155) and not from the source.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from weighbridge.model.facts import Parameter
from weighbridge.records import replace
from weighbridge.units import ceil_div

if TYPE_CHECKING:
    from weighbridge.engine.vllm.setup import Setup

WIDTH, HIDDEN, SUMMED = 128, 256, 256
TRITON = (0, 11, 0)


def padded(piece: Parameter, setup: Setup) -> Parameter:
    """The piece as its kernel holds it; what is no MXFP4 expert stays."""
    if "mxfp4" not in setup.storage.name or ".experts." not in piece.name:
        return piece
    triton = setup.version >= TRITON and (setup.capability or (9, 0))[0] == 9
    asked = setup.own.get("moe_backend", "auto")
    return pad(piece, setup.model.hidden, triton=triton if asked == "auto" else asked == "triton")


def pad(piece: Parameter, hidden: int, *, triton: bool) -> Parameter:
    """``gate_up_proj`` (experts, 2 × width, hidden) and ``down_proj`` (experts, hidden, width)."""
    stack = piece.shape[0]
    up = "gate_up" in piece.name
    if len(piece.shape) == 2:
        if triton:
            return piece
        rows = piece.shape[1]
        out = 2 * _round(rows // 2, WIDTH) if up else _round(rows, HIDDEN)
        return replace(piece, shape=(stack, out))
    other = prod(piece.shape) // stack // hidden
    width = other // 2 if up else other
    if triton:
        shape = (stack, 2 * width, _round(hidden, SUMMED)) if up else (
            stack, hidden, _round(width, SUMMED))  # fmt: skip
        return replace(piece, shape=shape)
    wide, tall = _round(width, WIDTH), _round(hidden, HIDDEN)
    return replace(piece, shape=(stack, 2 * wide, tall) if up else (stack, tall, wide))


def _round(size: int, step: int) -> int:
    return ceil_div(size, step) * step
