"""Which part of a card's stated rates training reaches, by compute capability; one row each.

``products`` is the share of the dense rate that large products reach inside a training step
(clocks fall under load), ``mixing`` that of attention kernels forward and backward together, and
``streams`` the share of the stated bandwidth. ``gaps`` is what a step takes beyond all of
these: launches, small kernels, waits of collectives. Rows are assumed with wide bounds. Published
points: Llama-3.1-8B on eight H100 (500 W, HBM2e) with FSDP, 5,762 tokens/s a card at 33 % MFU
(github pytorch/torchtitan benchmarks/llama3_h100_202412_torchtitan.md); a 1B Llama on eight H100 at
302 TFLOP/s a card (huggingface.co/nanotron/old_bench); GPT on A100 at 52 to 57 % of the rate
(arXiv:2205.05198). To be merged with the tables of inference.
"""

from __future__ import annotations

from typing import NamedTuple


class Efficiency(NamedTuple):
    """Typical shares, and by what factor a step may be faster or slower."""

    products: float
    mixing: float
    streams: float
    gaps: float
    fast: float
    slow: float
    source: str


AMPERE = Efficiency(
    0.75,
    0.40,
    0.80,
    1.20,
    0.80,
    1.50,
    "A100: 52-57 % of the dense rate with recomputation (arXiv:2205.05198)",
)
HOPPER = Efficiency(
    0.55,
    0.40,
    0.80,
    1.30,
    0.70,
    1.60,
    "H100: 32 to 40 % MFU published (torchtitan docs/performance, nanotron bench, "
    "Llama 3 arXiv:2407.21783)",
)
CONSUMER = Efficiency(
    0.75,
    0.35,
    0.80,
    1.30,
    0.70,
    2.00,
    "assumed like A100; attention of L40S from kernel tables, 0.35 to 0.50",
)
OTHER = Efficiency(0.50, 0.30, 0.70, 1.40, 0.60, 2.50, "assumed: no published run")
BY_CAPABILITY = {"8.0": AMPERE, "9.0": HOPPER, "10.0": HOPPER, "10.3": HOPPER,
                 "8.6": CONSUMER, "8.9": CONSUMER, "12.0": CONSUMER}  # fmt: skip

HOST_BYTES_PER_SECOND = 60 * 10**9
NVME_BYTES_PER_SECOND = 5 * 10**9
HIDDEN_SHARE = 0.7


def efficiency_of(capability: str | None) -> Efficiency:
    """The row of a card."""
    return BY_CAPABILITY.get(capability or "", OTHER)
