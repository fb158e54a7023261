"""The whole graph of a model: embedding, layers, head, over the devices that they lie on.

Source: ``build_arch_graph`` of src/models/*.cpp, ``build_inp_embd`` (src/llama-graph.cpp) of llama
0.5.0-dev.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from weighbridge.engine.llama_cpp.allocator import Tensor
from weighbridge.engine.llama_cpp.attention import Place, attend, attend_latent
from weighbridge.engine.llama_cpp.blocks import DenseShape, ExpertsShape, Heads, Latent
from weighbridge.engine.llama_cpp.feed_forward import dense, experts
from weighbridge.engine.llama_cpp.graph import I32, NOTHING, Graph
from weighbridge.engine.llama_cpp.passes import (
    CacheInputs,
    Pass,
    cache_inputs,
    matmul,
    norm,
)
from weighbridge.engine.llama_cpp.recurrent import Recurrence, StateInputs, remember

# ggml-cuda offers to take an operation whose weights lie in host memory from this many rows on.
OFFLOADED = 32
Mixing = Heads | Latent | Recurrence


class Block(NamedTuple):
    """One layer of the graph: its parts in order, where it runs and where its cache lies."""

    mixers: tuple[Mixing, ...]
    feed: DenseShape | ExpertsShape | None
    device: int
    cache_device: int
    parallel: bool = False
    in_host: Mapping[str, int] = NOTHING


class Inputs(NamedTuple):
    """What every layer may read."""

    positions: Tensor
    caches: Mapping[int | None, CacheInputs]
    states: StateInputs | None
    temperature: Tensor | None


class Shape(NamedTuple):
    """The model around its layers; see ``describe.Quirks`` for the last ones.

    ``cells`` are those of a stream, by window: None is the cache that keeps every token.
    """

    hidden: int
    vocab: int
    blocks: Sequence[Block]
    output_device: int
    cells: Mapping[int | None, int]
    scaled: bool = False
    rows: str = "layer"
    positions: int = 1
    temperature: bool = False
    residual_first: bool = False


def build(shape: Shape, run: Pass, host: int, *, copies: int = 1, offload: bool = False) -> Graph:
    """The graph of one pass."""
    g = Graph(host, copies=copies, offload=offload and run.tokens >= OFFLOADED)
    tokens, hidden = run.tokens, shape.hidden
    g.all_on_gpus = host not in {shape.output_device, *(block.device for block in shape.blocks)}
    words = g.input("inp_tokens", tokens, element=I32)
    given = g.input("inp_embd", hidden, tokens)
    x = g.op("embd", (hidden, tokens), words)
    x.device = host
    g.expand(x)
    if run.both_inputs:
        g.leaves.append(given)
    positions = g.input("inp_pos", tokens * shape.positions, element=I32)
    inputs = Inputs(
        positions,
        _caches(g, shape, run),
        StateInputs.of(g, run) if _recurs(shape) else None,
        g.input("inp_attn_scale", 1, 1, tokens) if shape.temperature else None,
    )
    rows = g.input("inp_out_ids", run.outputs, element=I32)
    last = len(shape.blocks) - 1
    if shape.scaled:
        x = g.op("inp_scaled", x.shape, x, over=True)
    for index, block in enumerate(shape.blocks):
        g.device, g.in_host = block.device, block.in_host
        picked = rows if index == last and shape.rows == "layer" else None
        x = _layer(g, shape, run, block, x, inputs, picked)
    g.device, g.in_host = shape.output_device, NOTHING
    if shape.rows == "norm":
        x.pinned = True
        x = g.op("result_rows", (hidden, run.outputs), x, rows)
    x = norm(g, "result_norm", x)
    x.pinned = True
    if shape.rows == "head":
        x = g.op("result_rows", (hidden, run.outputs), x, rows)
        x.pinned = True
    logits = matmul(g, "result_output", shape.vocab, x)
    logits.pinned = True
    g.expand(logits)
    return g


def _recurs(shape: Shape) -> bool:
    return any(isinstance(m, Recurrence) for block in shape.blocks for m in block.mixers)


def _caches(g: Graph, shape: Shape, run: Pass) -> dict[int | None, CacheInputs]:
    """The inputs of each cache: of the layers that keep all, and of those with a window."""
    attending = [m for block in shape.blocks for m in block.mixers if not isinstance(m, Recurrence)]
    if not attending:
        return {}
    found: dict[int | None, CacheInputs] = {}
    for window, cells in shape.cells.items():
        kept = [m for m in attending if _window(m) == window] or attending
        latent = isinstance(kept[0], Latent)
        values = (
            max(m.kv_count * m.v_dim for m in kept if isinstance(m, Heads)) if not latent else 0
        )
        key = kept[0].k_dim if isinstance(kept[0], Heads) else 0
        found[window] = cache_inputs(g, run, cells, values=values, key_dim=key, latent=latent)
    return found


def _window(mixer: Mixing) -> int | None:
    return mixer.window if isinstance(mixer, Heads) else None


def _layer(
    g: Graph,
    shape: Shape,
    run: Pass,
    block: Block,
    x: Tensor,
    inputs: Inputs,
    rows: Tensor | None,
) -> Tensor:
    """One layer: norm, mixers, residual, norm, feed-forward, residual."""
    residual = x
    normed = norm(g, "attn_norm", x)
    mixed: Tensor | None = None
    for mixer in block.mixers:
        made = _mix(g, shape, run, block, mixer, normed, inputs)
        mixed = made if mixed is None else g.op("mixed", made.shape, mixed, made, over=True)
    if rows is not None:
        picked = (shape.hidden, run.outputs)
        if mixed is not None:
            mixed = g.op("attn_rows", picked, mixed, rows)
        residual = g.op("residual_rows", picked, residual, rows)
        if block.parallel:
            normed = g.op("norm_rows", picked, normed, rows)
    if block.parallel and block.feed is not None and mixed is not None:
        return _parallel(g, shape, block, normed, mixed, residual)
    if mixed is not None:
        residual = _added(g, shape, "ffn_inp", mixed, residual)
    if block.feed is None:
        return residual
    fed = _feed(g, shape, block, norm(g, "ffn_norm", residual))
    return _added(g, shape, "l_out", fed, residual)


def _added(g: Graph, shape: Shape, name: str, made: Tensor, residual: Tensor) -> Tensor:
    """The sum with the residual, in the place of the first operand where that is free."""
    operands = (residual, made) if shape.residual_first else (made, residual)
    return g.op(name, made.shape, *operands, over=True)


def _parallel(
    g: Graph, shape: Shape, block: Block, normed: Tensor, mixed: Tensor, residual: Tensor
) -> Tensor:
    """Attention and feed-forward side by side on the same input (Falcon, Phi-2, Command-R)."""
    fed = _feed(g, shape, block, normed)
    both = g.op("l_out", fed.shape, fed, mixed, over=True)
    return g.op("l_out", fed.shape, both, residual, over=True)


def _feed(g: Graph, shape: Shape, block: Block, x: Tensor) -> Tensor:
    if isinstance(block.feed, ExpertsShape):
        return experts(g, block.feed, x, shape.hidden)
    assert block.feed is not None
    return dense(g, block.feed, x, shape.hidden)


def _mix(
    g: Graph,
    shape: Shape,
    run: Pass,
    block: Block,
    mixer: Mixing,
    x: Tensor,
    inputs: Inputs,
) -> Tensor:
    if isinstance(mixer, Recurrence):
        assert inputs.states is not None
        states = inputs.states._replace(device=block.cache_device)
        return remember(g, run, mixer, x, states, shape.hidden)
    caches, window = inputs.caches, _window(mixer)
    place = Place(
        caches[window if window in caches else None],
        inputs.positions,
        block.cache_device,
        shape.hidden,
        windowed=len(caches) > 1,
        temperature=inputs.temperature,
    )
    if isinstance(mixer, Latent):
        return attend_latent(g, run, mixer, x, place)
    return attend(g, run, mixer, x, place)
