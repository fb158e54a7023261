"""Recurrent and convolutional mixers on the tape: known by their projections, bounded by the rest.

The kernels (mamba-ssm, causal-conv1d, flash-linear-attention) keep what enters them, their output,
and the state at the start of each chunk; what exactly is a matter of their version, so that these
terms are ``assumed`` with wide bounds.
"""

from __future__ import annotations

from typing import Any

from weighbridge.model.facts import Layer
from weighbridge.training.attention import closing, linears
from weighbridge.training.style import FP32, Style, linear
from weighbridge.training.tape import Op

CHUNK = 256
LOW, HIGH = 0.4, 2.5


def recurrent(layer: Layer, hidden: int, style: Style) -> list[Op]:
    """Projections in, the scan over chunks, a gate, and the projection back."""
    mixer: Any = layer.mixer
    weights, c = linears(layer), style.compute
    last = closing(weights)
    ops: list[Op] = []
    entered: Any = 0
    for index, weight in enumerate(weights):
        if weight is last:
            continue
        out, into = style.cut(weight.shape[0]), weight.shape[1]
        entered = entered + out
        reads = "x1" if into == hidden else f"inner{index}"
        ops.append(linear(weight, reads, f"entered{index}", style, into=into, out=out))
    inner = style.cut(last.shape[1]) if last is not None else hidden
    states = sum(s.elements for s in mixer.state if s.precision == "fp32")
    saves = (
        ("entered", entered * c),
        ("convolved", entered * c),
        ("scanned", inner * c),
        ("gated", inner * c),
        ("chunks", style.cut(states) * FP32 // CHUNK),
    )
    ops.append(Op(("entered",), "scanned", saves, ((2 * entered + inner) * c,), inner * c))
    if last is not None:
        ops.append(linear(last, "gated", "mixed", style, into=inner, out=hidden))
    return ops


def short_convolution(layer: Layer, hidden: int, style: Style) -> list[Op]:
    """A gated convolution over a few tokens: the projection of three widths, its gated part, and
    what the convolution makes of that (modeling_lfm2.py, slow_forward, as traced)."""
    weights, c = linears(layer), style.compute
    last = closing(weights)
    first = next(weight for weight in weights if weight is not last)
    wide, inner = style.cut(first.shape[0]), style.cut(first.shape[0] // 3)
    saves = (("entered", wide * c), ("entered:gated", inner * c), ("convolved", inner * c))
    ops = [linear(first, "x1", "entered", style, into=hidden, out=wide),
           Op(("entered",), "gated", saves, ((wide + inner) * c,), inner * c)]  # fmt: skip
    if last is not None:
        ops.append(linear(last, "gated", "mixed", style, into=inner, out=hidden))
    return ops
