"""Attention in llama.cpp's graph: grouped heads, and the compressed latent.

Source: ``build_qkv``, ``build_attn``, ``build_attn_mha`` (src/llama-graph.cpp), ``get_k``,
``cpy_k`` (src/llama-kv-cache.cpp), src/models/deepseek2.cpp of llama 0.5.0-dev.
"""

from __future__ import annotations

from typing import NamedTuple

from weighbridge.engine.llama_cpp.allocator import Tensor
from weighbridge.engine.llama_cpp.blocks import Heads, Latent
from weighbridge.engine.llama_cpp.graph import Graph
from weighbridge.engine.llama_cpp.passes import CacheInputs, Pass, matmul, norm, rotated

HALF = 2


class Place(NamedTuple):
    """Where a layer attends: its inputs, the positions, and the device that holds its cache."""

    cache: CacheInputs
    positions: Tensor
    device: int
    hidden: int
    windowed: bool
    temperature: Tensor | None = None


def attend(g: Graph, run: Pass, heads: Heads, x: Tensor, place: Place) -> Tensor:
    """Queries, keys and values of ``x``, stored and attended to, and the output projection."""
    q, k, v, gate = _projections(g, run, heads, x)
    q = _positioned(g, heads, q, place.positions)
    if heads.tempered and place.temperature is not None:
        q = g.op("q_tempered", q.shape, q, place.temperature, over=True)
    k = _positioned(g, heads, k, place.positions) if k is not None else None
    cache = place.cache
    q = rotated(g, q, cache.key_rotation)
    k = rotated(g, k, cache.key_rotation) if k is not None else None
    v = rotated(g, v, cache.value_rotation) if v is not None else None
    order = (q, k, v) if place.windowed else (q, v, k)
    for each in order:
        if each is not None:
            g.expand(each)
    if k is not None and v is not None:
        _store(g, run, heads, k, v, place)
    out = _scores(g, run, q, place, heads)
    out = rotated(g, out, cache.value_rotation)
    if gate is not None:
        opened = g.op("gate", (heads.heads * heads.v_dim, run.tokens), gate)
        opened = g.op("gate_sigmoid", opened.shape, opened, over=True)
        out = g.op("attn_gated", out.shape, out, opened, over=True)
    return matmul(g, "attn_out", place.hidden, out)


def _projections(
    g: Graph, run: Pass, heads: Heads, x: Tensor
) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
    tokens = run.tokens
    queries, keys = heads.heads * heads.k_dim, heads.kv_count * heads.k_dim
    values = heads.kv_count * heads.v_dim
    if heads.fused:
        joint = matmul(g, "wqkv", queries + keys + values, x)
        return (
            g.view(joint, heads.k_dim, heads.heads, tokens, strided=True),
            g.view(joint, heads.k_dim, heads.kv_count, tokens, strided=True),
            g.view(joint, heads.v_dim, heads.kv_count, tokens, strided=True),
            None,
        )
    gate = None
    flat = matmul(g, "Qcur", queries * (2 if heads.gated else 1), x)
    q = g.view(flat, heads.k_dim, heads.heads, tokens, strided=heads.gated)
    if heads.gated:
        gate = g.view(flat, heads.k_dim, heads.heads, tokens, strided=True)
    if heads.borrows:
        return q, None, None, gate
    k = matmul(g, "Kcur", keys, x)
    k = g.view(k, heads.k_dim, heads.kv_count, tokens)
    v = matmul(g, "Vcur", values, x)
    v = g.view(v, heads.v_dim, heads.kv_count, tokens)
    return q, k, v, gate


def _positioned(g: Graph, heads: Heads, x: Tensor, positions: Tensor) -> Tensor:
    """Norm of each head where there is one, then the rotation by position."""
    if heads.normed:
        x = norm(g, "qk_norm", x)
    if heads.rotary:
        x = g.op("rope", x.shape, x, positions, over=True)
    if heads.late_norm:
        x = g.op("qk_l2_norm", x.shape, x, over=True)
    return x


def _store(g: Graph, run: Pass, heads: Heads, k: Tensor, v: Tensor, place: Place) -> None:
    """Write keys and values into the cache; without flash attention values lie transposed."""
    cache = place.cache
    rows = g.view(k, heads.kv_count * heads.k_dim, run.tokens)
    _write(g, "cache_k", place, rows, cache.key_rows)
    width = heads.kv_count * heads.v_dim
    if not run.flash:
        if v.layout is not None:
            v = g.op("v_cont", (width, run.tokens), v)
        _write(g, "cache_v", place, g.view(v, 1, width * run.tokens), cache.value_rows)
        return
    _write(g, "cache_v", place, g.view(v, width, run.tokens), cache.value_rows)


def _write(g: Graph, name: str, place: Place, rows: Tensor, where: Tensor | None) -> None:
    g.store(name, place.device, *((rows,) if where is None else (rows, where)))


def _scores(g: Graph, run: Pass, q: Tensor, place: Place, heads: Heads) -> Tensor:
    """Attention over the cache: fused, or with every score written out."""
    cache, cells = place.cache, place.cache.cells * run.streams
    keys = g.cache("k", place.device, cells * heads.kv_count * heads.k_dim * run.key_bits // 8)
    values = g.cache("v", place.device, cells * heads.kv_count * heads.v_dim * run.value_bits // 8)
    q = g.view(q, heads.k_dim, run.tokens, heads.heads, strided=True)
    width = heads.heads * heads.v_dim
    if run.flash and run.cast_keys:
        keys = g.op("k_f16", (cells * heads.kv_count * heads.k_dim,), keys, element=HALF)
    if run.flash and run.cast_values:
        values = g.op("v_f16", (cells * heads.kv_count * heads.v_dim,), values, element=HALF)
    if run.flash:
        out = g.op(
            "fattn", (heads.v_dim, heads.heads, run.tokens), q, keys, values, cache.mask,
            extra=half_copies(run, cache.cells, heads.kv_count, heads.k_dim, heads.v_dim),
        )  # fmt: skip
        out = g.view(out, width, run.tokens)
        g.expand(out)
        return out
    scores = (cache.cells, run.tokens, heads.heads)
    kq = g.op("kq", scores, keys, q)
    if heads.softcapped:
        for name in ("kq_scaled", "kq_tanh", "kq_scaled"):
            kq = g.op(name, scores, kq, over=True)
    kq = g.op("kq_soft_max", scores, kq, cache.mask, over=True)
    kqv = g.op("kqv", (heads.v_dim, run.tokens, heads.heads), values, kq)
    out = g.op("kqv_out", (width, run.tokens), g.view(kqv, heads.v_dim, heads.heads, run.tokens))
    g.expand(out)
    return out


def half_copies(run: Pass, cells: int, kv_heads: int, k_dim: int, v_dim: int) -> int:
    """Bytes behind the output for keys and values in 16 bit, where the kernel reads those
    (ggml-cuda/fattn-common.cuh, ggml_cuda_flash_attn_ext_get_f16_extra_data)."""
    elements = cells * run.streams * kv_heads
    size = 0
    if run.half_keys:
        size += elements * k_dim * HALF
    if run.half_values:
        size += elements * v_dim * HALF
    return size


def attend_latent(g: Graph, run: Pass, latent: Latent, x: Tensor, place: Place) -> Tensor:
    """DeepSeek's attention with the latent absorbed: one key head, its first part the value."""
    tokens, cache = run.tokens, place.cache
    if latent.q_rank:
        q = norm(g, "q_a_norm", matmul(g, "q_a", latent.q_rank, x))
        q = matmul(g, "q", latent.heads * (latent.nope + latent.rope), q)
    else:
        q = matmul(g, "q", latent.heads * (latent.nope + latent.rope), x)
    q = g.view(q, latent.nope + latent.rope, latent.heads, tokens)
    joint = matmul(g, "kv_cmpr_pe", latent.rank + latent.rope, x)
    compressed = g.view(joint, latent.rank, tokens, strided=True)
    k_pe = g.view(joint, latent.rope, 1, tokens, strided=True)
    k_pe = g.op("k_pe", k_pe.shape, k_pe, place.positions, over=True)
    compressed = norm(g, "kv_cmpr", compressed)
    q_nope = g.view(q, latent.nope, tokens, latent.heads, strided=True)
    q_pe = g.view(q, latent.rope, latent.heads, tokens, strided=True)
    q_pe = g.op("q_pe", q_pe.shape, q_pe, place.positions, over=True)
    absorbed = g.weighted("q_nope_absorbed", (latent.rank, tokens, latent.heads), q_nope)
    absorbed = g.view(absorbed, latent.rank, latent.heads, tokens, strided=True)
    query = g.op("Qcur", (latent.rank + latent.rope, latent.heads, tokens), absorbed, q_pe)
    values = g.view(compressed, latent.rank, 1, tokens)
    key = g.op("Kcur", (latent.rank + latent.rope, 1, tokens), values, k_pe)
    for each in (query, values, key):
        g.expand(each)
    rows = g.view(key, latent.rank + latent.rope, tokens)
    _write(g, "cache_k", place, rows, cache.key_rows)
    out = _latent_scores(g, run, latent, query, place)
    return matmul(g, "attn_out", place.hidden, out)


def _latent_scores(g: Graph, run: Pass, latent: Latent, query: Tensor, place: Place) -> Tensor:
    tokens, width, cache = run.tokens, latent.heads * latent.v_dim, place.cache
    query = g.view(query, latent.rank + latent.rope, tokens, latent.heads, strided=True)
    cells = cache.cells * run.streams
    keys = g.cache("k", place.device, cells * (latent.rank + latent.rope) * run.key_bits // 8)
    if run.flash:
        extra = cells * (latent.rank + latent.rope) * HALF if run.half_keys else 0
        shape = (latent.rank, latent.heads, tokens)
        out = g.op("fattn", shape, query, keys, cache.mask, extra=extra)
        swapped = g.view(out, latent.rank, tokens, latent.heads, strided=True)
        out = g.weighted("fattn_mla", (latent.v_dim, tokens, latent.heads), swapped)
        out = g.op("fattn_cont", (width, tokens), g.view(out, 1, strided=True))
        out = g.view(out, width, tokens)
        g.expand(out)
        return out
    scores = (cache.cells, tokens, latent.heads)
    kq = g.op("kq", scores, keys, query)
    kq = g.op("kq_soft_max", scores, kq, cache.mask, over=True)
    values = g.op("v_cont", (cache.cells, latent.rank, 1, run.streams), keys, element=HALF)
    kqv = g.op("kqv", (latent.rank, tokens, latent.heads), values, kq)
    kqv = g.weighted("kqv_mla", (latent.v_dim, tokens, latent.heads), kqv)
    out = g.op("kqv_out", (width, tokens), g.view(kqv, 1, strided=True))
    g.expand(out)
    return out
