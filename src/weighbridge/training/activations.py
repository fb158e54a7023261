"""Activations of one rank: what layers keep under each kind of checkpointing, and what one layer
needs while its backward runs. Figures are bytes for one micro-batch."""

from __future__ import annotations

from typing import Any, NamedTuple

from weighbridge.model.facts import Layer, Parameter
from weighbridge.records import replace
from weighbridge.speed.arithmetic import head_elements
from weighbridge.training.layers import LayerTape, layer_tape
from weighbridge.training.ranks import Stage, elements_of, share_of
from weighbridge.training.setup import Setup
from weighbridge.training.style import norm
from weighbridge.training.tape import Op, fixed, moments, saved
from weighbridge.units import ceil_div

CORE = frozenset({"probabilities", "probabilities:cast", "probabilities:dropped",
                  "probabilities:mask", "lse"})  # fmt: skip
EVERY_SECOND = 2


class Kept(NamedTuple):
    """``layers`` is what all layers of the stage keep until their backward, with bounds; ``host``
    what of it stands in host memory; ``again`` what is computed again for one backward of a
    segment; ``sent`` the layer's own input."""

    layers: Any
    low: Any
    high: Any
    host: Any
    again: Any
    assumed: bool
    formula: str


class Walk(NamedTuple):
    """A layer's backward at its worst: activations with their gradients beside what the layer
    keeps, and the trained elements whose gradient is there by then."""

    saved: Any
    peak: Any
    elements: int


def tapes(setup: Setup, stage: Stage) -> list[tuple[Layer, int, LayerTape]]:
    """Each distinct layer of the stage with its count and its tape."""
    return [
        (layer, count, layer_tape(layer, setup.model.hidden, setup.style))
        for layer, count in stage.groups()
    ]


def stream(setup: Setup) -> Any:
    """Bytes of the stream between layers for one micro-batch."""
    return setup.tokens * setup.style.wide(setup.model.hidden) * setup.style.residual


def kept_by_layers(setup: Setup, stage: Stage) -> Kept:
    """What the stage's layers keep, by the kind of checkpointing."""
    made = tapes(setup, stage)
    tokens, kind = setup.tokens, setup.checkpointing
    steady = sum(count * fixed(tape.ops) for _, count, tape in made)
    whole = _sum(made, lambda tape: saved(tape.ops), tokens) - _unsaved(setup, stage) + steady
    low = _sum(made, lambda tape: saved(tape.ops) * tape.low, tokens) + steady
    high = _sum(made, lambda tape: saved(tape.ops) * tape.high, tokens) + steady
    assumed = any(tape.assumed for _, _, tape in made)
    low, high = (int(low), int(high)) if assumed else (whole, whole + _inputs(setup, stage, whole))
    largest = max((saved(tape.ops) * tokens + fixed(tape.ops) for _, _, tape in made), default=0)
    count, inputs = len(stage.layers), stream(setup)
    if kind == "none":
        return Kept(whole, low, high, 0, 0, assumed, "tokens × Σ layers (bytes saved per token)")
    if kind == "selective":
        return _selective(setup, made, count)
    if kind == "offloaded":
        held = min(count, 2) * inputs
        return Kept(
            held,
            inputs,
            held + inputs,
            count * inputs,
            largest,
            False,
            "2 layers' inputs of tokens × hidden × bytes; the rest in host memory",
        )
    segments = -(-count // setup.every)
    apart = setup.style.quirk.embedding_apart and not setup.trains_base and stage.first
    size = segments * inputs + (inputs if apart else 0)
    words = "layers" if setup.every == 1 else f"⌈layers / {setup.every}⌉"
    return Kept(size, size, size, 0, largest * min(setup.every, count), False,
                f"{words} × tokens × hidden × bytes")  # fmt: skip


def _selective(setup: Setup, made: list[tuple[Layer, int, LayerTape]], count: int) -> Kept:
    """Megatron recomputes the core of attention; torchtitan keeps attention's output and every
    second product (distributed/activation_checkpoint.py), and computes the rest again."""
    tokens = setup.tokens
    if setup.style.kernels == "megatron":
        size = _sum(made, lambda tape: saved(tape.ops, CORE), tokens)
        again = max((saved(tape.ops) for _, _, tape in made), default=0) * tokens - size // count
        return Kept(
            size,
            size,
            size,
            0,
            max(again, 0),
            any(t.assumed for _, _, t in made),
            "tokens × Σ layers (bytes saved per token, attention's core left out)",
        )
    size = _sum(made, lambda tape: products(tape.ops), tokens) + count * stream(setup)
    largest = max((saved(tape.ops) for _, _, tape in made), default=0) * tokens
    return Kept(
        size,
        size * 7 // 10,
        size * 3 // 2,
        0,
        largest,
        True,
        "layers × tokens × (input + attention's output + half of the products)",
    )


def products(ops: tuple[Op, ...]) -> Any:
    """Half of the outputs of products with weights, and attention's output, bytes per token."""
    total: Any = 0
    for op in ops:
        weighted = op.trains or any(key.endswith(":low") for key, _ in op.saves)
        if op.makes == "attended":
            total = total + op.forward
        elif weighted and not any(key.endswith((":rms", ":stats")) for key, _ in op.saves):
            total = total + op.forward // EVERY_SECOND
    return total


def _inputs(setup: Setup, stage: Stage, whole: Any) -> Any:
    """Inputs of products with a quantized base, which bitsandbytes kept for every one of them up to
    0.43 (autograd/_functions.py, MatMul4Bit: ``ctx.tensors = (A, B)``): an upper bound."""
    if setup.storage is None:
        return 0
    trained = setup._replace(style=replace(setup.style, trains=True))
    return _sum(tapes(trained, stage), lambda tape: saved(tape.ops), setup.tokens) - whole


def _unsaved(setup: Setup, stage: Stage) -> Any:
    """The first norm keeps nothing where nothing before it is trained."""
    if setup.trains_base or not stage.first or setup.checkpointing != "none":
        return 0
    groups = stage.groups()
    if not groups or not setup.tokens:
        return 0
    ops = layer_tape(groups[0][0], setup.model.hidden, setup.style).ops
    if not ops or ops[0].reads != ("stream1",):
        return 0
    # Nor do the products with its output keep their weights: no gradient of their input is made.
    casts = sum(op.fixed for op in ops if op.reads == ("x1",)) if setup.regime.casts else 0
    return saved(ops[:1]) * setup.tokens + casts


def _sum(made: list[tuple[Layer, int, LayerTape]], size: Any, tokens: Any) -> Any:
    total: Any = 0
    for _, count, tape in made:
        total = total + count * size(tape) * tokens
    return total


def walk(setup: Setup, layer: Layer) -> Walk:
    """The worst moment of the layer's backward, by bytes of activations and gradients together."""
    ops = layer_tape(layer, setup.model.hidden, setup.style).ops
    gradient, tokens = setup.gradient_element, setup.tokens
    # The input of a layer that is computed again is the one that was kept for it.
    own = frozenset({"stream1"} if setup.checkpointing not in {"none", "selective"} else ())
    found = moments(ops, own)
    worst = max(found, default=None, key=lambda m: int(m.per_token * tokens + m.fixed
                                                       + m.elements * gradient))  # fmt: skip
    if worst is None:
        return Walk(0, 0, 0)
    return Walk(saved(ops) * tokens + fixed(ops), worst.per_token * tokens + worst.fixed,
                worst.elements)  # fmt: skip


def before_loss(setup: Setup) -> Any:
    """What the final norm and the head's input keep."""
    style, hidden = setup.style, setup.model.hidden
    weights = [p for p in setup.model.outer if p.role == "norm" and p.name.endswith(".weight")]
    biased = any(p.role == "norm" and p.name.endswith(".bias") for p in setup.model.outer)
    op = norm(weights[-1] if weights else None, "stream", "x", style, width=style.wide(hidden),
              bias=biased)  # fmt: skip
    size = saved([op]) + (hidden * style.compute if setup.trains_base else 0)
    return size * setup.tokens


def head_input(setup: Setup) -> Any:
    """The final norm's fp32 output, which the model's code holds beside the head's 16-bit copy of
    it until its forward pass returns; without autocast the two are one."""
    if not setup.regime.casts:
        return 0
    return setup.tokens * setup.model.hidden * setup.style.residual


def cast_weights(setup: Setup, stage: Stage, *, forward: bool = False) -> int:
    """Copies of fp32 matrices in the type of the products under autocast, beside those that a
    layer's tape keeps: the head's, which a tied embedding makes as well, until its backward; in the
    forward pass those of trained weights, which autocast's own cache keeps to its end whatever is
    computed again (aten autocast_mode.cpp, cached_cast: leaves that require a gradient)."""
    if not setup.regime.casts:
        return 0
    model, ranks = setup.model, setup.ranks
    own = any(each.role == "head" for each in model.outer)
    elements = 0
    if stage.last and (own or model.generates):
        elements += ceil_div(head_elements(model), ranks.tensor)
    kept = setup.checkpointing == "none"
    for layer, count in stage.groups():
        for each in layer.parameters:
            if len(each.shape) < 2:
                continue
            if kept and each.role == "expert" and not _packed(setup, each):
                elements += count * elements_of(each, ranks)
            elif forward and not kept and each.role in {"linear", "router", "expert"}:
                elements += count * ceil_div(setup.trained(each), share_of(each, ranks))
    return elements * setup.regime.compute


def _packed(setup: Setup, weight: Parameter) -> bool:
    return setup.storage is not None and setup.storage.stores(weight)


def rotary(setup: Setup) -> Any:
    """Cosines and sines of the positions of one sequence; under autocast as wide as the stream,
    whose type they take (modeling_llama.py, LlamaRotaryEmbedding)."""
    element = setup.regime.residual if setup.regime.casts else setup.regime.compute
    return 2 * setup.style.tokens * setup.model.rotary_width * element


def mask(setup: Setup) -> int:
    """The causal mask of eager attention in the type of the scores, which layers that are computed
    again keep; where scores are masked by position it is one byte, and always kept."""
    style = setup.style
    if style.attention != "eager" or style.kernels == "megatron":
        return 0
    if style.quirk.byte_mask:
        return int(setup.tokens * style.seen)
    kept = setup.checkpointing != "none"
    return int(setup.tokens * style.seen * style.compute) if kept else 0


def further_masks(setup: Setup, stage: Stage) -> int:
    """The same for each further window among the layers."""
    windows = {getattr(layer.mixer, "window", None) for layer, _ in stage.groups()}
    return max(len(windows) - 1, 0) * mask(setup)


def batch(setup: Setup) -> Any:
    """Token ids and labels as 64-bit integers, and the mask of a padded batch."""
    return setup.tokens * (24 if setup.training.batching == "padded" else 16)
