"""What a CUDA process takes before it allocates anything: context, loaded kernels, driver state.

Published points (device memory of a process beside its own allocations):

====================================  ==============  ==========================================
RTX 3090, torch 2.7.1                 256 MiB         invoke-ai/InvokeAI#9413
RTX 3080, llama.cpp                   253 MiB         ggml-org/llama.cpp, memory breakdown
RTX 6000 Ada, torch 2.10              426 MiB         unslothai/unsloth-zoo#1053
CUDA ≥ 11.7 with lazy loading         300–400 MB      pytorch/pytorch#107667, #109888
CUDA < 11.7                           > 1000 MB       the same threads
RTX 2080 Ti, torch 1.6                1035 MiB        pytorch/pytorch#49877
RTX 3090, torch 1.7                   1644 MiB        pytorch/pytorch#49877
====================================  ==============  ==========================================
"""

from __future__ import annotations

from typing import NamedTuple

from weighbridge.hardware.card import Card
from weighbridge.units import MIB


class Range(NamedTuple):
    """A figure with its bounds, in bytes, and where they come from."""

    typical: int
    low: int
    high: int
    source: str


LAZY = Range(
    400 * MIB,
    250 * MIB,
    700 * MIB,
    "253–426 MiB published for torch ≥ 2 on RTX 3080, 3090 and 6000 Ada; 300–400 MB with lazy "
    "loading (pytorch#107667, #109888); upper bound for data-centre cards, of which no figure is "
    "published",
)
NONE = Range(0, 0, 0, "no process context is charged to the memory of this kind of device")


def process_context(card: Card | None) -> Range:
    """The context of one process on one device."""
    if card is None or card.vendor == "NVIDIA" or card.vendor == "AMD":
        return LAZY
    return NONE
