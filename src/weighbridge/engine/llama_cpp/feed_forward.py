"""Feed-forward networks in llama.cpp's graph: dense and of experts.

Source: ``build_ffn`` and ``build_moe_ffn`` (src/llama-graph.cpp of llama 0.5.0-dev).
"""

from __future__ import annotations

from weighbridge.engine.llama_cpp.allocator import Tensor
from weighbridge.engine.llama_cpp.blocks import DenseShape, ExpertsShape
from weighbridge.engine.llama_cpp.graph import I32, Graph
from weighbridge.engine.llama_cpp.passes import matmul


def dense(g: Graph, shape: DenseShape, x: Tensor, hidden: int) -> Tensor:
    """Up, gate, their product, down; a plain network has no gate."""
    up = matmul(g, "ffn_up", shape.width * (2 if shape.fused else 1), x)
    if shape.fused:
        inner = g.op("ffn_swiglu", (shape.width, x.shape[-1]), up)
    elif shape.gated:
        gate = matmul(g, "ffn_gate", shape.width, x)
        inner = g.op("ffn_swiglu", up.shape, gate, up)
    else:
        inner = g.op("ffn_act", up.shape, up, over=True)
    return matmul(g, "ffn_down", hidden, inner)


def experts(g: Graph, shape: ExpertsShape, x: Tensor, hidden: int) -> Tensor:
    """The chosen experts' answers, weighted and summed; the shared one beside them."""
    tokens, used = x.shape[-1], shape.used
    logits = matmul(g, "ffn_moe_logits", shape.experts, x)
    chosen, weights = _routed(g, shape, logits, tokens)
    g.expand(weights)
    rows = g.view(x, hidden, 1, tokens)
    if shape.weighs_first:
        repeated = g.op("ffn_moe_repeated", (hidden, used, tokens), rows)
        rows = g.op("ffn_moe_weighted", repeated.shape, repeated, weights, over=True)
    inner = _inner(g, shape, rows, chosen, tokens)
    down = _by_experts(g, "ffn_moe_down", hidden, inner, chosen, shape, tokens)
    if not shape.weighs_first:
        down = g.op("ffn_moe_weighted", down.shape, down, weights, over=True)
    g.expand(down)
    total = _summed(g, down, hidden, used, tokens)
    if shape.shared is None:
        return total
    beside = dense(g, shape.shared, x, hidden)
    if shape.shared_gate:
        opened = matmul(g, "shared_gate", 1, x)
        opened = g.op("shared_gate_sigmoid", opened.shape, opened, over=True)
        beside = g.op("ffn_shexp_gated", beside.shape, beside, opened, over=True)
    return g.op("ffn_out", (hidden, tokens), total, beside, over=True)


def _routed(g: Graph, shape: ExpertsShape, logits: Tensor, tokens: int) -> tuple[Tensor, Tensor]:
    """Which experts each token visits, and with what weight."""
    probs = logits
    if not shape.softmax_after:
        probs = g.op("ffn_moe_probs", logits.shape, logits, over=True)
    selection = logits if shape.weighs_first else probs
    if shape.biased:
        selection = g.weighted("ffn_moe_probs_biased", probs.shape, probs, over=True)
    order = g.op("ffn_moe_argsort", (shape.experts, tokens), selection, element=I32)
    chosen = g.view(order, shape.used, tokens, strided=True)
    weights = g.op(
        "ffn_moe_weights", (1, shape.used, tokens), g.view(probs, 1, shape.experts, tokens), chosen
    )
    flat = g.view(weights, shape.used, tokens)
    if shape.softmax_after:
        made = g.op("ffn_moe_weights_softmax", flat.shape, flat, over=True)
        weights = g.view(made, 1, shape.used, tokens)
    if shape.normalised:
        flat = g.view(weights, shape.used, tokens)
        total = g.op("ffn_moe_weights_sum", (1, tokens), flat)
        total = g.op("ffn_moe_weights_sum_clamped", (1, tokens), total, over=True)
        made = g.op("ffn_moe_weights_norm", flat.shape, flat, total, over=True)
        weights = g.view(made, 1, shape.used, tokens)
    if shape.scaled:
        weights = g.op("ffn_moe_weights_scaled", weights.shape, weights, over=True)
    return chosen, weights


def _inner(g: Graph, shape: ExpertsShape, rows: Tensor, chosen: Tensor, tokens: int) -> Tensor:
    if shape.fused:
        joint = _by_experts(g, "ffn_moe_gate_up", 2 * shape.width, rows, chosen, shape, tokens)
        gate = g.view(joint, shape.width, shape.used, tokens, strided=True)
        up = g.view(joint, shape.width, shape.used, tokens, strided=True)
    else:
        up = _by_experts(g, "ffn_moe_up", shape.width, rows, chosen, shape, tokens)
        if not shape.gated:
            return g.op("ffn_moe_act", up.shape, up, over=True)
        gate = _by_experts(g, "ffn_moe_gate", shape.width, rows, chosen, shape, tokens)
    return g.op("ffn_moe_swiglu", (shape.width, shape.used, tokens), gate, up)


def _by_experts(
    g: Graph, name: str, rows: int, x: Tensor, chosen: Tensor, shape: ExpertsShape, tokens: int
) -> Tensor:
    """A projection by the chosen experts."""
    return g.weighted(name, (rows, shape.used, tokens), x, chosen)


def _summed(g: Graph, down: Tensor, hidden: int, used: int, tokens: int) -> Tensor:
    """The sum over the chosen experts, one addition after another."""
    parts = [g.view(down, hidden, tokens, strided=True) for _ in range(used)]
    for part in parts:
        g.expand(part)
    if used == 1:
        return g.op("ffn_moe_out", (hidden, tokens), parts[0])
    total = parts[0]
    for part in parts[1:]:
        total = g.op("ffn_moe_out", (hidden, tokens), total, part, over=True)
        g.expand(total)
    return total
