"""What host memory spends that a card does not, where it is the device itself."""

from __future__ import annotations

from typing import Any

from weighbridge.engine.storage import ELEMENT
from weighbridge.engine.transformers.setup import Setup
from weighbridge.engine.transformers.share import Share
from weighbridge.hardware.host import KIND
from weighbridge.model.facts import Model, Parameter
from weighbridge.term import Phase, Term
from weighbridge.units import MIB, maximum

HALF = 2
# The resident base of a process with bitsandbytes imported less that without: 467.4 and 420.5 MiB
# (torch 2.13 for processors, transformers 5.23, bitsandbytes 0.50.2).
BITSANDBYTES = 47 * MIB
QUANTIZED_ON_LOADING = frozenset({"int8", "nf4", "nf4-dq", "fp4", "fp4-dq"})
SAFETENSORS = (
    "safetensors for torch (UntypedStorage.from_file): tensors are views of the mapped file, "
    "whose pages are resident once read; /proc/self/smaps of SmolLM2-135M and Pythia-160M"
)


def on_host(setup: Setup, device: int) -> bool:
    """Whether this device is host memory, which has no cuBLAS."""
    cards = setup.question.cards
    return bool(cards) and cards[device].kind == KIND


def packed(setup: Setup, share: Share, phase: Phase, moving: list[Term]) -> list[Term]:
    """The copy of a matrix that oneDNN arranges anew for a product of 16-bit types.

    A prompt's rows meet every matrix, and its last row, cut from the others, meets the head; a
    single row of a decode step is multiplied in place. bf16 goes to oneDNN from AVX-512 on; fp16
    only with AVX512-FP16 or AMX-FP16, and else to a kernel of ATen that packs nothing (aten
    native/mkldnn/Utils.h, mkldnn_bf16_device_check and mkldnn_fp16_device_check). Seen on a Xeon
    with AVX-512 alone, torch 2.13 (measurements/): a head of 320 MiB cost 320 in bf16, and
    OPT-125M in fp16 nothing.
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
            size if setup.compute == "bf16" else 0 * size,
            0 * size,
            maximum(inner + 0 * stream, head + 0 * stream),
            "calibrated",
            "the largest matrix of a layer, or the head's where that stands out of the layers' "
            "activations" + ("" if setup.compute == "bf16" else "; none without fp16 arithmetic"),
            {"largest matrix of a layer": inner, "head": head, "activations and logits": others},
            "oneDNN reorders the weights of a bf16 product (aten/src/ATen/native/mkldnn/"
            "Matmul.cpp), seen in VmHWM",
        )
    ]


def mapped(setup: Setup, share: Share) -> list[Term]:
    """What quantizing on loading leaves beside the quantized weights, and bitsandbytes itself.

    The tensors that stay in 16 bit are views of the mapped file and keep it mapped: the pages of
    the matrices that were read to be quantized stay resident, until memory is short. A file of
    another type is converted, so that no view is left and the mapping goes.
    """
    if not on_host(setup, share.device) or setup.storage.name not in QUANTIZED_ON_LOADING:
        return []
    linears = sum(p.elements for p in share.outer if setup.storage.stores(p))
    for layer, count in share.kept(setup.model):
        linears += count * sum(p.elements for p in layer.parameters if setup.storage.stores(p))
    kept = linears * HALF if setup.model.dtype == setup.compute else 0
    return [
        Term(
            "reserve",
            share.device,
            "resident",
            kept + BITSANDBYTES,
            0,
            # What was freed while quantizing may stay in the heap: up to 450 MiB beside 203.
            3 * linears * HALF + 2 * BITSANDBYTES,
            "calibrated",
            "16-bit pages of the matrices that were quantized, where the file's type is that of "
            "the activations + 47 MiB of bitsandbytes; at most thrice that",
            {"parameters quantized": linears, "type of the file": setup.model.dtype},
            SAFETENSORS,
        )
    ]


def unread(model: Model, weights: str) -> int:
    """Bytes of the input embedding where it is mapped from a file: resident as rows are read.

    A tied one is read whole by the head. In another type than the file's all is a copy.
    """
    if (model.tied and model.generates) or weights not in ELEMENT or model.dtype != weights:
        return 0
    rows = [p.elements for p in model.outer if p.role == "embedding"]
    return sum(rows) * ELEMENT[weights]


def _largest(parameters: list[Parameter], element: int) -> Any:
    """Bytes of the largest linear's one copy."""
    return max((p.elements // p.copies * element for p in parameters if p.role == "linear"),
               default=0)  # fmt: skip
