"""Feed-forward networks on the tape: plain, gated, and mixtures with grouped products.

Eager modules of Transformers keep the gate, its activation, the other half and their product (8f
bytes per token in 16 bit); Liger's and Megatron's fused kernels keep the two halves and compute the
activation again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from weighbridge.model.facts import Parameter
from weighbridge.model.feed_forward import Dense, MixtureOfExperts
from weighbridge.training.mixtures import module_of
from weighbridge.training.style import FP32, Style, linear
from weighbridge.training.tape import Op

INDEX = 8
BACK = frozenset({"down_proj", "w2"})


def dense(feed: Dense, reads: str, hidden: int, style: Style, prefix: str = "") -> list[Op]:
    """One network that every token passes."""
    weights = [p for p in feed.parameters if p.role == "linear" and len(p.shape) == 2]
    return network(weights, reads, hidden, feed.intermediate, feed.gated, style, prefix)


def network(
    weights: Sequence[Parameter],
    reads: str,
    hidden: int,
    width: int,
    gated: bool,
    style: Style,
    prefix: str = "",
) -> list[Op]:
    """Products in, the activation, and the product back."""
    if not weights:
        return []
    inner = style.cut(width)
    ops = [
        linear(w, reads, f"{prefix}in{i}", style, into=hidden, out=style.cut(w.shape[0]))
        for i, w in enumerate(weights[:-1])
    ]
    ops += activation(inner, gated, style, prefix)
    ops.append(linear(weights[-1], f"{prefix}product", f"{prefix}fed", style, into=inner,
                      out=hidden))  # fmt: skip
    return ops


def activation(inner: Any, gated: bool, style: Style, prefix: str, rows: Any = 1) -> list[Op]:
    """Between the products: silu(gate) · up, or one function of the input."""
    c, makes = style.compute * rows, f"{prefix}product"
    if not gated:
        count = style.quirk.plain_saves
        # Autocast widens pow: of a written out tanh-GELU's tensors only half the input is 16 bit.
        wide = FP32 * rows if style.casts else c
        size = inner * (c + (count - 1) * wide)
        saves: tuple[tuple[str, Any], ...] = ((f"{prefix}in0:out", size),)
        if not count:
            saves = ((makes, inner * c),)
        return [Op((f"{prefix}in0",), makes, saves, (inner * c,), inner * c)]
    halves = ((f"{prefix}gate", inner * c), (f"{prefix}up", inner * c))
    if style.kernels != "torch":
        return [Op((f"{prefix}in0",), makes, halves, (2 * inner * c,), inner * c)]
    gate, up = halves
    active = (f"{prefix}active", inner * c)
    return [
        Op((f"{prefix}in0",), f"{prefix}active", (gate,), (inner * c,), inner * c),
        Op((f"{prefix}active", f"{prefix}in1"), makes, (active, up), (inner * c, inner * c),
           inner * c),
    ]  # fmt: skip


def clamped(inner: Any, gated: bool, style: Style, prefix: str, rows: Any = 1) -> list[Op]:  # noqa: ARG001
    """gpt-oss: both halves as one tensor, the clamped gate, its sigmoid, their product, and up + 1
    (modeling_gpt_oss.py, _apply_gate)."""
    size = inner * style.compute * rows
    kept = tuple((f"{prefix}{name}", size) for name in ("clamped", "sigmoid", "swish", "up"))
    halves = (f"{prefix}halves", 2 * size)
    return [Op((f"{prefix}in0",), f"{prefix}product", (halves, *kept), (2 * size,), size)]


def _sent_share(width: Any, style: Style) -> Any:
    """What one rank handles of a width for every visited expert: where tensor parallel ranks hold
    parts of the sequence and whole experts, they share the tokens that are sent."""
    return width * style.expert_tensor // style.tensor if style.sequence else width


class _Stack(NamedTuple):
    """What a grouped product trains, keeps and makes of its stack of weights (see Op)."""

    trains: int
    fixed: int = 0
    scratch: int = 0


def _stack(experts: Sequence[Parameter], style: Style) -> _Stack:
    """A stack of experts, trained or adapted.

    PEFT adds the product of the adapter's matrices to the stack in one operation, which keeps
    both, cast to the stack's type, and hands the sum to the grouped product, which keeps it and
    makes a gradient of its size (peft 0.21 lora/layer.py, _LoraFactorsProxy).
    """
    adapters, c = style.adapters, style.compute
    if style.trains:
        return _Stack(sum(each.elements for each in experts))
    if adapters is None or not any(adapters.on(each) for each in experts):
        return _Stack(0, 0, max((style.unpacked(each) for each in experts), default=0))
    pairs = sum(adapters.elements(each) for each in experts)
    whole = sum(each.elements for each in experts) * c // style.expert_tensor
    cast = pairs * c if adapters.element != c else 0
    return _Stack(pairs, whole + cast, whole + pairs * c)


def mixture(feed: MixtureOfExperts, reads: str, hidden: int, style: Style) -> list[Op]:
    """Routing, the visited experts as grouped products, and the shared expert.

    Transformers 5 sorts the tokens by expert, copies them, and multiplies groups
    (integrations/moe.py, grouped_mm_experts_forward): top_k rows per token.
    """
    c, k = style.compute, feed.top_k
    router = [p for p in feed.parameters if p.role == "router" and len(p.shape) == 2]
    experts = [p for p in feed.parameters if p.role == "expert"]
    shared = [p for p in feed.parameters if p.role == "linear" and len(p.shape) == 2]
    inner = _sent_share(-(-feed.intermediate // style.expert_tensor), style)
    row = _sent_share(hidden, style) * k * c
    ops = [linear(each, reads, f"router{i}", style, into=hidden, out=feed.experts)
           for i, each in enumerate(router[:1])]  # fmt: skip
    if style.quirk.fp32_router and any(op.trains for op in ops):
        wide = (f"{reads}:wide", hidden * FP32)
        ops = [op._replace(saves=(wide,)) for op in ops]
    scores = (("scores", feed.experts * FP32), ("choice", 2 * k * INDEX + k * FP32))
    ops.append(Op(("router0",), "chosen", scores, (feed.experts * c,), feed.experts * c))
    back = [p for p in experts if module_of(p) in BACK] or experts[-1:]
    first, last = _stack([p for p in experts if p not in back], style), _stack(back, style)
    sent = (("sent", row),) if first.trains else ()
    ops.append(Op((reads,), "sent", (("sent:index", 2 * k * INDEX),), (row,), row))
    ops.append(Op(("sent",), "expert_in0", sent, (row,), 2 * k * inner * c, 0, *first))
    make = clamped if style.quirk.clamped else activation
    ops += make(inner, True, style, "expert_", rows=k)
    product = (("expert_product", k * inner * c),) if last.trains else ()
    ops.append(Op(("expert_product",), "returned", product, (k * inner * c,), row, 0, *last))
    ops.append(Op(("returned",), "fed", (("returned", row),), (row,), hidden * c, scratch=row))
    if shared and feed.shared_intermediate:
        if len(router) > 1:
            kept = (("shared_fed", hidden * c),)
            ops.append(Op(("shared_fed",), "gated", kept, (hidden * c,), 0))
        ops += network(shared[:3], reads, hidden, feed.shared_intermediate, True, style, "shared_")
    return ops
