"""Host memory as the device: a machine without an accelerator, written ``cpu-16GiB``.

A process there has no driver's context and no cuBLAS; what it takes beside tensors is the
interpreter with its libraries, and what the C allocator keeps.
"""

from __future__ import annotations

from weighbridge.errors import HardwareError
from weighbridge.hardware.card import Card
from weighbridge.units import parse_size

VENDOR = KIND = "host"
PREFIX = "cpu-"


def is_host(name: str) -> bool:
    """Whether a description of hardware means host memory."""
    return name.strip().lower().startswith((PREFIX, "cpu:")) or name.strip().lower() == "cpu"


def host_named(name: str) -> Card:
    """The host of ``cpu-16GiB``; HardwareError where the size is missing."""
    size = name.strip()[len(PREFIX) :]
    if not size:
        raise HardwareError(
            "a processor has no memory of its own; write cpu-16GiB for a machine without an "
            "accelerator that has 16 GiB to spare"
        )
    return host_card(parse_size(size, "host memory"))


def host_card(
    size: int,
    *,
    bandwidth: int | None = None,
    flops: tuple[tuple[str, int], ...] = (),
) -> Card:
    """A host with ``size`` bytes to spare; its rates where they were measured, in bytes/s and
    operations/s by type."""
    if size <= 0:
        raise HardwareError("host memory of 0 bytes holds nothing; write for example cpu-16GiB")
    return Card(
        id=f"{PREFIX}{size}B",
        name="host memory",
        vendor=VENDOR,
        kind=KIND,
        marketed_memory=size,
        marketed_unit="B",
        source="given, or what the operating system calls available",
        bandwidth=bandwidth,
        dense_flops=flops,
    )
