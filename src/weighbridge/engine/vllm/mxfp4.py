"""Experts in MXFP4, whose dimensions the kernels pad.

vLLM layers/quantization/mxfp4.py: Marlin pads the width to 128 and the hidden size to 256. The
Triton kernels of Hopper swizzle the tensors after loading; that values are padded to 256 along what
is summed, and the scales of ``gate_up`` to 256 rows, is inferred from "Model loading took 64.38
GiB" of gpt-oss-120b (vllm#33155), not read in the source.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import TYPE_CHECKING

from weighbridge.model.facts import Parameter
from weighbridge.records import replace
from weighbridge.units import ceil_div

if TYPE_CHECKING:
    from weighbridge.engine.vllm.setup import Setup

WIDTH, HIDDEN, SWIZZLE = 128, 256, 256
SCALED = 32
TRITON = (0, 11, 0)


def uses_triton(setup: Setup) -> bool:
    """Whether the experts run on Triton's kernels: on Hopper from 0.11 on."""
    asked = setup.own.get("moe_backend", "auto")
    if asked != "auto":
        return bool(asked == "triton")
    return setup.version >= TRITON and (setup.capability or (9, 0))[0] == 9


def padded(piece: Parameter, setup: Setup) -> Parameter:
    """The piece as Marlin holds it; what is no MXFP4 expert stays, as it does for Triton."""
    if ".experts." not in piece.name or uses_triton(setup):
        return piece
    stack, hidden, up = piece.shape[0], setup.model.hidden, "gate_up" in piece.name
    if len(piece.shape) == 2:
        rows = piece.shape[1]
        out = 2 * _round(rows // 2, WIDTH) if up else _round(rows, HIDDEN)
        return replace(piece, shape=(stack, out))
    wide, tall = _round(_width(piece, hidden), WIDTH), _round(hidden, HIDDEN)
    return replace(piece, shape=(stack, 2 * wide, tall) if up else (stack, tall, wide))


def swizzled(pieces: Iterable[tuple[Parameter, int]], setup: Setup) -> int:
    """Bytes that Triton's layouts add."""
    if not uses_triton(setup):
        return 0
    return sum(
        _added(piece, setup.model.hidden) * count
        for piece, count in pieces
        if ".experts." in piece.name and len(piece.shape) == 3
    )


def _added(piece: Parameter, hidden: int) -> int:
    width, stack = _width(piece, hidden), piece.shape[0]
    if "gate_up" not in piece.name:
        return stack * hidden * (_round(width, SWIZZLE) - width) // 2
    values = 2 * width * (_round(hidden, SWIZZLE) - hidden) // 2
    scales = (_round(2 * width, SWIZZLE) - 2 * width) * ceil_div(hidden, SCALED)
    return stack * (values + scales)


def _width(piece: Parameter, hidden: int) -> int:
    """``gate_up_proj`` is (experts, hidden, 2 × width), ``down_proj`` (experts, width, hidden)."""
    other = prod(piece.shape) // piece.shape[0] // hidden
    return other // 2 if "gate_up" in piece.name else other


def _round(size: int, step: int) -> int:
    return ceil_div(size, step) * step
