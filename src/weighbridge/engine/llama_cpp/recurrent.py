"""Layers with a state in llama.cpp's graph.

Source: ``build_rs`` (src/llama-graph.cpp), src/models/mamba-base.cpp, delta-net-base.cpp,
qwen3next.cpp, lfm2.cpp of llama 0.5.0-dev.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from weighbridge.engine.llama_cpp.allocator import Tensor
from weighbridge.engine.llama_cpp.graph import I32, Graph
from weighbridge.engine.llama_cpp.passes import Pass, matmul, norm

Kind = Literal["mamba", "mamba2", "delta", "convolution", "other"]


class Recurrence(NamedTuple):
    """A recurrent layer: ``channels`` pass a convolution of ``kernel``; ``state`` elements stay."""

    kind: Kind
    inner: int
    channels: int
    kernel: int
    state: int
    heads: int = 1
    groups: int = 1
    state_size: int = 0
    key_heads: int = 0
    key_dim: int = 0
    normed: bool = False
    rank: int = 0


class StateInputs(NamedTuple):
    """Which state each sequence reads: those in the pass, and the others."""

    main: Tensor
    extra: Tensor
    others: int

    @classmethod
    def of(cls, g: Graph, run: Pass) -> StateInputs:
        """The input and its two parts."""
        whole = g.input("rs_s_copy", run.sequences, element=I32)
        return cls(g.view(whole, run.sequences), g.view(whole, 0), 0)


def remember(
    g: Graph, run: Pass, layer: Recurrence, x: Tensor, states: StateInputs, hidden: int
) -> Tensor:
    """The mixed tokens, the state updated on the way."""
    if layer.kind == "mamba2":
        return _mamba2(g, run, layer, x, states, hidden)
    raise NotImplementedError(layer.kind)


def _mamba2(
    g: Graph, run: Pass, layer: Recurrence, x: Tensor, states: StateInputs, hidden: int
) -> Tensor:
    raise NotImplementedError
