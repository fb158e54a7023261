"""The computer around the GPUs: its memory, its disk, and how fast each of them is read."""

from __future__ import annotations

from typing import Any, NamedTuple

from weighbridge.errors import RequestError
from weighbridge.hardware.card import Card
from weighbridge.speed.offload import DISK, HOST_MEMORY
from weighbridge.speed.rates import PCIE_USED
from weighbridge.units import GB, format_bytes_decimal, parse_size

USUAL_MEMORY = 64 * GB
# PCIe 4.0 x16 in one direction, for cards of which no link is known.
USUAL_LINK = 32e9


class Host(NamedTuple):
    """Bytes of host memory, bytes/s of it and of the disk (None: nothing may lie on a disk)."""

    memory: int
    bandwidth: float
    disk: float | None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The host as JSON prints it."""
        return {
            "memory_bytes": self.memory,
            "bytes_per_second": self.bandwidth,
            "disk_bytes_per_second": self.disk,
        }


def make_host(
    memory: int | str | None = None,
    bandwidth: int | str | None = None,
    disk: bool | int | str | None = None,
) -> Host:
    """The host of a request: what is not said is assumed, and said so.

    ``disk`` is its rate, or True for one whose rate is not known.
    """
    notes = []
    size = USUAL_MEMORY if memory is None else parse_size(memory, "host_memory")
    rate = HOST_MEMORY if bandwidth is None else _rate(bandwidth, "host_bandwidth")
    if memory is None:
        notes.append(
            f"{format_bytes_decimal(size)} of host memory assumed; set it with --host-memory"
        )
    if bandwidth is None:
        notes.append(
            f"host memory is read at {format_bytes_decimal(rate)}/s (two channels of DDR5-5600, "
            "as stated); set it with --host-bandwidth"
        )
    if disk is True or disk == "":
        notes.append(f"the disk is read at {format_bytes_decimal(DISK)}/s (NVMe of PCIe 4.0 x4)")
        return Host(size, rate, DISK, tuple(notes))
    found = None if disk is None or disk is False else _rate(disk, "disk")
    return Host(size, rate, found, tuple(notes))


def _rate(given: int | str, what: str) -> float:
    text = given.strip().removesuffix("/s") if isinstance(given, str) else given
    rate = parse_size(text, what)
    if rate == 0:
        raise RequestError(f"{what} is 0 bytes per second; give for example 90GB/s")
    return float(rate)


def link_of(card: Card) -> float:
    """Bytes/s that reach a card from host memory."""
    return (card.pcie_bandwidth or USUAL_LINK) * PCIE_USED
