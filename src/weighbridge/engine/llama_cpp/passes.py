"""One pass of llama.cpp over a batch: what the builders of its graph share.

Names of tensors are llama.cpp's own. Source: ``llm_graph_context`` (src/llama-graph.cpp, llama
0.5.0-dev of 2026-11).
"""

from __future__ import annotations

from typing import NamedTuple

from weighbridge.engine.llama_cpp.allocator import Tensor
from weighbridge.engine.llama_cpp.graph import I64, Graph


class Pass(NamedTuple):
    """The sizes of one pass: ``tokens`` of which ``outputs`` get logits, in ``streams`` caches.

    ``sequences`` are those whose states it reads, ``slots`` all that have one. ``flash`` is flash
    attention; ``rotated`` keys and values are turned before they are kept; ``half`` are copied to
    16 bit by the kernel, ``cast`` by an operation of the graph; ``row_inputs`` says whether the
    cells to write are inputs, ``both_inputs`` whether given embeddings are one beside tokens.
    """

    tokens: int
    outputs: int
    sequences: int
    streams: int
    flash: bool
    rotated_keys: bool = False
    rotated_values: bool = False
    half_keys: bool = False
    half_values: bool = False
    cast_keys: bool = False
    cast_values: bool = False
    key_bits: int = 16
    value_bits: int = 16
    row_inputs: bool = True
    both_inputs: bool = True


class CacheInputs(NamedTuple):
    """What the layers of one cache read: where to write, what to see; ``cells`` of a stream."""

    cells: int
    key_rows: Tensor | None
    value_rows: Tensor | None
    mask: Tensor
    key_rotation: Tensor | None = None
    value_rotation: Tensor | None = None


def cache_inputs(
    g: Graph, run: Pass, cells: int, *, values: int, key_dim: int, latent: bool = False
) -> CacheInputs:
    """The inputs of a cache of ``cells``; ``values`` are the widest layer's value elements."""
    mask = g.input(
        "attn_inp_kq_mask",
        cells,
        run.tokens // run.streams,
        1,
        run.streams,
        element=2 if run.flash else 4,
    )
    rows = None
    if not run.row_inputs:
        return CacheInputs(cells, None, None, mask)
    if not latent:
        rows = g.input("attn_inp_v_idxs", run.tokens * (1 if run.flash else values), element=I64)
    rotate = not latent
    return CacheInputs(
        cells,
        g.input("attn_inp_k_idxs", run.tokens, element=I64),
        rows,
        mask,
        _rotation(g, rotation_size(key_dim)) if run.rotated_keys and rotate else None,
        _rotation(g, 64) if run.rotated_values and rotate else None,
    )


def rotation_size(head: int) -> int:
    """The largest power of two, from 64, that divides a head (build_input_k_rot)."""
    size = 64
    while head % (2 * size) == 0:
        size *= 2
    return size


def _rotation(g: Graph, size: int) -> Tensor:
    return g.input("attn_inp_rot", size, size)


def matmul(g: Graph, name: str, rows: int, x: Tensor) -> Tensor:
    """A projection of ``x`` to ``rows`` elements a token."""
    return g.weighted(name, (rows, x.shape[-1]), x)


def norm(g: Graph, name: str, x: Tensor) -> Tensor:
    """RMS norm and its scale, the latter in place; where all layers are on GPUs it is kept from
    running on the device of the layer before (llama_context::graph_get_cb)."""
    made = g.op(name, x.shape, x, over=True)
    if g.all_on_gpus:
        made.device = g.device
    return g.weighted(name, x.shape, made, over=True)


def rotated(g: Graph, x: Tensor, matrix: Tensor | None) -> Tensor:
    """``x`` times a Hadamard matrix, as a quantized cache is kept (llama_mul_mat_hadamard)."""
    if matrix is None:
        return x
    size = matrix.shape[0]
    total = 1
    for length in x.shape:
        total *= length
    flat = g.view(x, size, total // size)
    product = g.op("rotated", (size, total // size), matrix, flat)
    return g.view(product, *x.shape)
