"""What a process takes of a device before it allocates anything, and what its allocator hoards.

Published points of the context (device memory of a process beside its own allocations):

====================================  ==============  ==========================================
RTX 3090, torch 2.7.1                 256 MiB         invoke-ai/InvokeAI#9413
RTX 3080, llama.cpp                   253 MiB         ggml-org/llama.cpp, memory breakdown
RTX 6000 Ada, torch 2.10              426 MiB         unslothai/unsloth-zoo#1053
CUDA ≥ 11.7 with lazy loading         300–400 MB      pytorch/pytorch#107667, #109888
lazy and eager loading of kernels     287 / 667 MB    pytorch/pytorch#86509
CUDA < 11.7                           > 1000 MB       pytorch/pytorch#107667
RTX 2080 Ti, torch 1.6                1035 MiB        pytorch/pytorch#49877
RTX 3090, torch 1.7                   1644 MiB        pytorch/pytorch#49877
====================================  ==============  ==========================================

For data-centre cards no bare figure is published. On an A100 80 GB with torch 2.2.2, context and
hoard together were 774 to 1,081 MiB in four runs of Llama-2-7B (premAI-io/benchmarks), which is
what the hoard's typical figure is set by; the four runs of Mistral-7B of the same source are
reported, not fitted.
"""

from __future__ import annotations

from typing import NamedTuple

from weighbridge.hardware.card import Card
from weighbridge.hardware.host import KIND as HOST
from weighbridge.units import MIB


class Range(NamedTuple):
    """A figure with its bounds, in bytes, and where they come from."""

    typical: int
    low: int
    high: int
    source: str


CONSUMER = Range(
    350 * MIB,
    250 * MIB,
    700 * MIB,
    "253–426 MiB published for torch ≥ 2 on RTX 3080, 3090 and 6000 Ada; 300–400 MB with lazy "
    "loading (pytorch#107667, #109888), 667 MB without (pytorch#86509)",
)
DATA_CENTRE = Range(
    450 * MIB,
    250 * MIB,
    800 * MIB,
    "no bare figure is published for data-centre cards; between the consumer figures and the "
    "context and hoard together of an A100 (774–1,081 MiB, premAI-io/benchmarks)",
)
NONE = Range(0, 0, 0, "no context is charged to the memory of this kind of device")
HOST_PROCESS = Range(
    421 * MIB,
    300 * MIB,
    900 * MIB,
    "resident before a model is there: Python 3.11, torch 2.13 for processors and transformers "
    "5.23 with a model's code took 420–426 MiB on three models; builds with CUDA take more",
)
HOST_HOARD = Range(
    20 * MIB,
    0,
    64 * MIB,
    "calibrated on SmolLM2-135M, Gemma-3-270M and GPT-2 (measurements/cpu-xeon-avx512.jsonl): 6 to "
    "27 MiB beside tensors and packed matrices; glibc malloc keeps what is freed in small pieces",
)
HOARD = Range(
    390 * MIB,
    0,
    700 * MIB,
    "calibrated on four runs of Llama-2-7B on an A100 (premAI-io/benchmarks): 774–1,081 MiB of "
    "context and hoard together; pytorch c10/cuda/CUDACachingAllocator.cpp keeps freed blocks",
)
DATA_CENTRE_CAPABILITIES = frozenset({"7.0", "8.0", "9.0", "10.0", "10.3"})


def process_context(card: Card | None) -> Range:
    """The context of one process on one device; as calibrated, where it is."""
    if card is not None and card.own_context is not None:
        return Range(*card.own_context)
    if card is not None and card.kind == HOST:
        return HOST_PROCESS
    if (
        card is not None
        and card.vendor not in {"NVIDIA", "AMD"}
        and card.compute_capability is None
    ):
        return NONE if card.vendor == "Apple" else CONSUMER
    if card is not None and card.compute_capability in DATA_CENTRE_CAPABILITIES:
        return DATA_CENTRE
    return CONSUMER


def hoard(moving: int, card: Card | None = None) -> Range:
    """What the caching allocator holds beyond what is in use; ``moving`` is what comes and goes."""
    base = HOST_HOARD if card is not None and card.kind == HOST else HOARD
    return Range(base.typical, base.low, base.high + moving // 4, base.source)
