"""Layers with a state in llama.cpp's graph.

Source: ``build_rs`` (src/llama-graph.cpp), src/models/mamba-base.cpp, delta-net-base.cpp,
qwen3next.cpp, lfm2.cpp of llama 0.5.0-dev.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from weighbridge.engine.llama_cpp.allocator import Tensor
from weighbridge.engine.llama_cpp.graph import F32, I32, Graph
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
    """Which state each sequence of the pass reads, those that none does, and where states lie."""

    main: Tensor
    extra: Tensor
    device: int

    @classmethod
    def of(cls, g: Graph, run: Pass) -> StateInputs:
        """The input in its two parts; the second is empty, and still takes a place."""
        whole = g.input("rs_s_copy", run.sequences, element=I32)
        return cls(g.view(whole, run.sequences), g.view(whole, 0), g.host)


def remember(
    g: Graph, run: Pass, layer: Recurrence, x: Tensor, states: StateInputs, hidden: int
) -> Tensor:
    """The mixed tokens, the state updated on the way."""
    builders = {
        "mamba": _mamba,
        "mamba2": _mamba2,
        "delta": _delta,
        "convolution": _convolution,
    }
    return builders.get(layer.kind, _other)(g, run, layer, x, states, hidden)


def _read(g: Graph, states: StateInputs, elements: int, sequences: int) -> Tensor:
    """The states of the sequences in the pass, gathered from all (build_rs)."""
    kept = g.cache("states", states.device, elements * sequences * F32)
    g.store("rs_zero", states.device, kept)
    rows = g.op("rs_rows", (elements, sequences), kept, states.main)
    g.expand(rows)
    g.store("rs_extra", states.device, g.op("rs_rows_extra", (0,), kept, states.extra))
    return rows


def _convolved(
    g: Graph,
    run: Pass,
    layer: Recurrence,
    x: Tensor,
    before: Tensor,
    states: StateInputs,
    *,
    activated: bool = True,
) -> Tensor:
    """The causal convolution of ``x`` behind the inputs kept from before."""
    each = run.tokens // run.sequences
    joint = g.op(
        "conv_input",
        (layer.kernel - 1 + each, layer.channels, run.sequences),
        g.view(before, layer.kernel - 1, layer.channels, run.sequences),
        g.view(x, each, layer.channels, strided=True),
    )
    g.store("conv_states", states.device, g.view(joint, layer.kernel - 1, strided=True))
    out = g.weighted("conv_output", (layer.channels, run.tokens), joint)
    return g.op("conv_silu", out.shape, out, over=True) if activated else out


def _mamba2(
    g: Graph, run: Pass, layer: Recurrence, x: Tensor, states: StateInputs, hidden: int
) -> Tensor:
    tokens, inner = run.tokens, layer.inner
    before = _read(g, states, (layer.kernel - 1) * layer.channels, run.sequences)
    joint = matmul(g, "zxBCdt", inner + layer.channels + layer.heads, x)
    z = g.view(joint, inner, tokens, strided=True)
    dt = g.view(joint, layer.heads, tokens, strided=True)
    mixed = _convolved(
        g, run, layer, g.view(joint, layer.channels, tokens, strided=True), before, states
    )
    channels = g.view(mixed, inner, tokens, strided=True)
    dt = g.op("dt", (layer.heads, tokens), dt)
    dt = g.weighted("dt_bias", dt.shape, dt, over=True)
    scanned = g.weighted(
        "ssm_scan", (inner * tokens + layer.state * run.sequences,), channels, dt,
        g.view(mixed, 1, strided=True), g.view(mixed, 2, strided=True), states.main,
    )  # fmt: skip
    g.expand(scanned)
    g.store("ssm_states", states.device, g.view(scanned, layer.state, strided=True))
    skip = g.weighted("ssm_d", (inner, tokens), channels)
    y = g.op("ssm_y", (inner, tokens), g.view(scanned, inner, tokens), skip, over=True)
    opened = g.op("z_cont", (inner, tokens), z)
    y = g.op("ssm_swiglu", (inner, tokens), opened, y)
    if layer.normed:
        y = g.view(norm(g, "ssm_norm", g.view(y, inner // layer.groups, layer.groups, tokens)),
                   inner, tokens)  # fmt: skip
    return matmul(g, "ssm_out", hidden, g.view(y, inner, tokens))


def _mamba(
    g: Graph, run: Pass, layer: Recurrence, x: Tensor, states: StateInputs, hidden: int
) -> Tensor:
    tokens, inner = run.tokens, layer.inner
    before = _read(g, states, (layer.kernel - 1) * layer.channels, run.sequences)
    joint = matmul(g, "xz", 2 * inner, g.view(x, x.shape[0], tokens))
    z = g.view(joint, inner, tokens, strided=True)
    mixed = _convolved(g, run, layer, g.view(joint, inner, tokens, strided=True), before, states)
    small = matmul(g, "x_db", layer.rank + 2 * layer.state_size, mixed)
    dt = g.view(small, layer.rank, tokens, strided=True)
    b, c = g.view(small, 1, strided=True), g.view(small, 2, strided=True)
    if layer.normed:
        dt = norm(g, "dt_norm", dt)
        b = norm(g, "b_norm", g.view(small, layer.state_size, tokens, strided=True))
        c = norm(g, "c_norm", g.view(small, layer.state_size, tokens, strided=True))
    else:
        dt = g.op("dt_cont", (layer.rank, tokens), dt)
    dt = matmul(g, "dt", inner, dt)
    dt = g.weighted("dt_bias", dt.shape, dt, over=True)
    scanned = g.weighted(
        "ssm_scan", (inner * tokens + layer.state * run.sequences,), g.view(mixed, inner, tokens),
        dt, b, c, states.main,
    )  # fmt: skip
    g.expand(scanned)
    g.store("ssm_states", states.device, g.view(scanned, layer.state, strided=True))
    skip = g.weighted("ssm_d", mixed.shape, mixed, over=True)
    y = g.op("ssm_y", (inner, tokens), g.view(scanned, inner, tokens), skip, over=True)
    opened = g.op("z_cont", (inner, tokens), z)
    y = g.op("ssm_swiglu", (inner, tokens), opened, y)
    return g.view(matmul(g, "ssm_out", hidden, y), hidden, tokens)


def _delta(
    g: Graph, run: Pass, layer: Recurrence, x: Tensor, states: StateInputs, hidden: int
) -> Tensor:
    tokens, inner, keys = run.tokens, layer.inner, layer.key_heads * layer.key_dim
    mixed = matmul(g, "qkv_mixed", layer.channels, x)
    z = matmul(g, "z", inner, x)
    scales = matmul(g, "beta_alpha", 2 * layer.heads, x)
    beta = g.op("beta", (layer.heads, tokens), g.view(scales, layer.heads, tokens, strided=True))
    beta = g.op("beta_sigmoid", beta.shape, beta, over=True)
    alpha = g.op("alpha", (layer.heads, tokens), g.view(scales, layer.heads, tokens, strided=True))
    alpha = g.weighted("alpha_biased", alpha.shape, alpha, over=True)
    alpha = g.op("alpha_softplus", alpha.shape, alpha, over=True)
    alpha = g.weighted("gate", alpha.shape, alpha, over=True)
    before = _read(g, states, (layer.kernel - 1) * layer.channels, run.sequences)
    each = run.tokens // run.sequences
    joint = g.op(
        "conv_input",
        (layer.kernel - 1 + each, layer.channels, run.sequences),
        g.view(before, layer.kernel - 1, layer.channels, run.sequences),
        g.view(mixed, each, layer.channels, strided=True),
    )
    g.store("conv_states", states.device, g.view(joint, layer.kernel - 1, strided=True))
    state = _read(g, states, layer.state, run.sequences)
    out = g.weighted("conv_output", (layer.channels, tokens), joint)
    out = g.op("conv_silu", out.shape, out, over=True)
    query = g.op("q_l2_norm", (keys, tokens), g.view(out, keys, tokens, strided=True))
    key = g.op("k_l2_norm", (keys, tokens), g.view(out, keys, tokens, strided=True))
    value = g.view(out, inner, tokens, strided=True)
    if layer.key_heads != layer.heads:
        wide = layer.heads * layer.key_dim
        query = g.op("q_repeated", (wide, tokens), g.view(query, keys, tokens))
        key = g.op("k_repeated", (wide, tokens), g.view(key, keys, tokens))
    result = g.op(
        "delta_net", (inner * tokens + layer.state * run.sequences,),
        g.view(query, 1), g.view(key, 1), value, g.view(alpha, 1), g.view(beta, 1),
        g.view(state, 1),
    )  # fmt: skip
    g.store("ssm_states", states.device, g.view(result, layer.state, strided=True))
    y = norm(g, "ssm_norm", g.view(result, inner, tokens))
    opened = g.op("z_silu", (inner, tokens), g.view(z, inner, tokens), over=True)
    y = g.op("ssm_gated", y.shape, y, opened, over=True)
    return g.view(matmul(g, "ssm_out", hidden, g.view(y, inner, tokens)), hidden, tokens)


def _convolution(
    g: Graph, run: Pass, layer: Recurrence, x: Tensor, states: StateInputs, hidden: int
) -> Tensor:
    """LFM2: three parts, the first and third multiplied, convolved, and opened by the second."""
    tokens, width = run.tokens, layer.channels
    joint = matmul(g, "bcx", 3 * width, g.view(x, x.shape[0], tokens))
    parts = [g.view(joint, width, tokens, strided=True) for _ in range(3)]
    product = g.op("bx", (width, tokens), parts[0], parts[2], over=True)
    before = _read(g, states, (layer.kernel - 1) * width, run.sequences)
    out = _convolved(g, run, layer, product, before, states, activated=False)
    y = g.op("conv_opened", (width, tokens), parts[1], out, over=True)
    return g.view(matmul(g, "shortconv_out", hidden, y), hidden, tokens)


def _other(
    g: Graph, run: Pass, layer: Recurrence, x: Tensor, states: StateInputs, hidden: int
) -> Tensor:
    """A recurrence whose graph is not written out here: its inputs, state and output alone."""
    tokens = run.tokens
    state = _read(g, states, layer.state, run.sequences)
    parts = [matmul(g, "recurrent_input", layer.inner, x) for _ in range(4)]
    result = g.op(
        "recurrence", (layer.inner * tokens + layer.state * run.sequences,), *parts, state
    )
    g.store("states", states.device, g.view(result, layer.state, strided=True))
    return matmul(g, "recurrent_out", hidden, g.view(result, layer.inner, tokens))
