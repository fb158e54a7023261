"""Layers that are not on the device: what crosses PCIe, the host's memory or a disk in each step.

Without prefetching a step waits for every byte; perfect prefetching hides the copy behind what the
device does meanwhile, and no more than that (FlexGen, arXiv:2303.06865, section 4).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from weighbridge.units import maximum, minimum

# Bytes/s; stated by makers, dated 2026-11: two channels of DDR5-5600, an NVMe of PCIe 4.0 x4.
HOST_MEMORY = 89.6e9
DISK = 7.0e9
CXL = 64e9 * 0.8
OVERLAPS = {"none": 0.0, "partial": 0.5, "perfect": 1.0}


class Tier(NamedTuple):
    """A place for weights, by the bytes/s at which a step gets them onto the device or computes
    on them where they are."""

    name: str
    bandwidth: float
    assumption: str


def host_over(link: float) -> Tier:
    """Host memory, copied to the device each step."""
    return Tier(
        "host memory", min(link, HOST_MEMORY), "layers are copied over PCIe before they are used"
    )


def on_host(bandwidth: float = HOST_MEMORY) -> Tier:
    """Host memory, and the processor computes there (llama.cpp -ngl, --n-cpu-moe)."""
    return Tier("processor", bandwidth, "the processor computes on these layers in its own memory")


def on_disk() -> Tier:
    """A disk, read each step."""
    return Tier("disk", DISK, "layers are read from an NVMe disk each step")


def crossing_seconds(moved: Any, tier: Tier, beside: Any, overlap: str = "none") -> Any:
    """Seconds that a step waits for ``moved`` bytes, ``beside`` being what it does meanwhile."""
    needed = moved / tier.bandwidth
    hidden = OVERLAPS[overlap] * minimum(needed, beside)
    return maximum(needed - hidden, 0.0)
