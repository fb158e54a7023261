"""What host memory spends that a card does not, where it is the device itself."""

from __future__ import annotations

from typing import Any

from weighbridge.engine.transformers.setup import Setup
from weighbridge.engine.transformers.share import Share
from weighbridge.hardware.host import KIND
from weighbridge.model.facts import Parameter
from weighbridge.term import Phase, Term
from weighbridge.units import MIB, maximum

HALF = 2
LIBRARIES = 64 * MIB
QUANTIZED_ON_LOADING = frozenset({"int8", "nf4", "nf4-dq", "fp4", "fp4-dq"})


def on_host(setup: Setup, device: int) -> bool:
    """Whether this device is host memory, which has no cuBLAS."""
    cards = setup.question.cards
    return bool(cards) and cards[device].kind == KIND


def packed(setup: Setup, share: Share, phase: Phase, moving: list[Term]) -> list[Term]:
    """The copy of a matrix that oneDNN arranges anew for a product of 16-bit types.

    A prompt's rows meet every matrix, and its last row, cut from the others, meets the head; a
    single row of a decode step is multiplied in place. Seen on a Xeon with AVX-512 and without
    bf16 arithmetic, torch 2.13 (measurements/cpu-xeon-avx512.jsonl): a head of 320 MiB cost 320.
    """
    if phase != "prefill" or not on_host(setup, share.device) or setup.element != HALF:
        return []
    layers = [p for layer, _ in share.grouped(setup.model) for p in layer.parameters]
    inner = _largest(layers, setup.element)
    head = setup.model.vocab * setup.model.hidden * setup.element if setup.model.generates else 0
    stream = setup.question.concurrency * setup.question.tokens.prompt
    stream = stream * setup.model.hidden * setup.element
    others = sum(term.bytes for term in moving if term.name in {"activations", "logits"})
    size = maximum(inner + 0 * stream, head + stream - others)
    return [
        Term(
            "reserve",
            share.device,
            phase,
            size,
            0 * size,
            maximum(inner + 0 * stream, head + 0 * stream),
            "calibrated",
            "the largest matrix of a layer, or the head's where that stands out of the layers' "
            "activations",
            {"largest matrix of a layer": inner, "head": head, "activations and logits": others},
            "oneDNN reorders the weights of a bf16 product (aten/src/ATen/native/mkldnn/"
            "Matmul.cpp), seen in VmHWM",
        )
    ]


def mapped(setup: Setup, share: Share) -> list[Term]:
    """Pages of the 16-bit files that were quantized from: mapped until memory is short.

    Beside bitsandbytes' own libraries. Seen with SmolLM2-135M: int8 held 291 MiB and nf4 501 MiB
    beyond tensors and a bare process, of which the system may take the files' part back.
    """
    if not on_host(setup, share.device) or setup.storage.name not in QUANTIZED_ON_LOADING:
        return []
    elements = sum(p.elements for p in share.outer)
    elements += sum(
        p.elements * n for layer, n in share.kept(setup.model) for p in layer.parameters
    )
    size = elements * HALF
    return [
        Term(
            "reserve",
            share.device,
            "resident",
            size + LIBRARIES,
            0 * size,
            2 * size + 2 * LIBRARIES,
            "calibrated",
            "parameters × 2 of the mapped files + 64 MiB of bitsandbytes",
            {"parameters": elements},
            "VmRSS of weigh run with --weights int8 and nf4-dq on SmolLM2-135M",
        )
    ]


def _largest(parameters: list[Parameter], element: int) -> Any:
    """Bytes of the largest linear's one copy."""
    return max((p.elements // p.copies * element for p in parameters if p.role == "linear"),
               default=0)  # fmt: skip
