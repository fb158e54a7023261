"""A card's rates for a pass: bytes and operations per second, and its links."""

from __future__ import annotations

from typing import NamedTuple

from weighbridge.hardware.card import Card
from weighbridge.speed.kernels import generation_of

# The type in whose rate a kernel type computes; weight-only formats compute in 16 bit.
ARITHMETIC = {
    "bf16": ("bf16", "fp16", "fp32"),
    "int4-wo": ("bf16", "fp16", "fp32"),
    "w4a16-mxfp4": ("bf16", "fp16", "fp32"),
    "fp8": ("fp8", "int8", "bf16", "fp16", "fp32"),
    "fp8-block": ("fp8", "bf16", "fp16", "fp32"),
    "w4a8-mxfp4-mxfp8": ("fp8", "bf16", "fp16", "fp32"),
    "nvfp4": ("fp4", "fp8", "bf16", "fp16", "fp32"),
}
# Fraction of the dense rate that large matrices reach (aiconfigurator's GEMM tables, medians of
# n, k >= 2048 at m >= 1024; MAMF finder of stas00/ml-engineering for the 16-bit ones).
REACHED = {
    "hopper": {"bf16": 0.75, "fp8": 0.58, "fp8-block": 0.55, "nvfp4": 0.5, "int4-wo": 0.6,
               "w4a16-mxfp4": 0.6, "w4a8-mxfp4-mxfp8": 0.5},
    "blackwell": {"bf16": 0.7, "fp8": 0.5, "fp8-block": 0.47, "nvfp4": 0.45, "int4-wo": 0.5,
                  "w4a16-mxfp4": 0.5, "w4a8-mxfp4-mxfp8": 0.4},
    "ampere": {"bf16": 0.83, "int4-wo": 0.6},
    "ada": {"bf16": 0.61, "fp8": 0.45, "fp8-block": 0.43, "int4-wo": 0.5},
    "blackwell-rtx": {"bf16": 0.8, "fp8": 0.65, "fp8-block": 0.6, "nvfp4": 0.55, "int4-wo": 0.6},
}  # fmt: skip
USUAL = 0.6
PCIE_USED = 0.85
# Operations per byte of a card whose arithmetic is not stated: about that of an Apple M3 Max GPU.
UNKNOWN_RIDGE = 35.0


class Rates(NamedTuple):
    """Bytes/s and operations/s of one card; ``link`` is bytes/s in one direction.

    Arithmetic is what large matrices reach, not what the maker states; ``plain`` is for attention.
    """

    bandwidth: float
    dense: float
    expert: float
    plain: float
    link: float
    direct: bool
    hopper: bool
    stated: float


def rates_of(card: Card, linear: str, expert: str, bandwidth: float | None = None) -> Rates | None:
    """The rates for kernels of these types; None where the card's are not known."""
    memory = bandwidth or card.bandwidth
    if not memory:
        return None
    plain = arithmetic_rate(card, "bf16") or UNKNOWN_RIDGE * memory
    generation = generation_of(card)
    stated = arithmetic_rate(card, linear) or plain
    link = (card.link_bandwidth or 0) / 2 or (card.pcie_bandwidth or 32e9) * PCIE_USED
    return Rates(
        memory,
        stated * reached(generation, linear),
        (arithmetic_rate(card, expert) or plain) * reached(generation, expert),
        plain,
        link,
        bool(card.link_bandwidth),
        generation == "hopper",
        stated,
    )


def arithmetic_rate(card: Card, kind: str) -> int | None:
    """Dense operations/s that the maker states for a kernel type, or for the next wider one."""
    for name in ARITHMETIC.get(kind, ("bf16", "fp16", "fp32")):
        rate = card.flops(name)
        if rate:
            return rate
    return None


def reached(generation: str, kind: str) -> float:
    """The part of that which large matrices reach."""
    return REACHED.get(generation, {}).get(kind, USUAL)
