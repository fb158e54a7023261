"""One accelerator, as one row of ``cards.jsonl`` describes it.

Keys of a row (a line of JSON that begins ``{"id": "..."``):

=================  ==========================================================================
id, name           ``h100-sxm``, lower-case with dashes; and the name as marketed
vendor, kind       maker; ``discrete``, ``laptop``, ``unified`` or ``accelerator``
architecture       ``Hopper``; ``compute`` is ``9.0`` or ``gfx942`` or null; ``year`` of launch
memory             as marketed, with the unit it is really meant in: ``80GiB`` or ``80GB``
driver             what the driver calls the total (nvidia-smi), ``81559MiB``
visible            what a program sees: one size, or ``[low, typical, high]``; needs
                   ``visible_source``; ``visible_basis`` where it is not ``measured``
gb_per_s           memory bandwidth, 10⁹ bytes/s; null where it is not known
tflops             dense 10¹² operations/s by type; ``tflops_source`` where derived
link               ``NVLink``; ``link_gb_per_s`` both directions together, per card;
                   ``link_joins`` how many cards it joins at most
pcie, watts        ``PCIe 5.0 x16``; board power
source, notes      where the figures come from; doubts, one sentence each
aliases            other names of this card alone (case, spaces and maker do not matter)
common             names that several cards share; ``default_for`` those that mean this one
=================  ==========================================================================
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from weighbridge.hardware.usable import Usable, usable_memory
from weighbridge.units import GB, TB, parse_size

_PCIE = r"PCIe (\d)\.0(?:/\d\.0)? x(\d+)"
_PCIE_LANE = {1: 250e6, 2: 500e6, 3: 8e9 * 128 / 130 / 8, 4: 16e9 * 128 / 130 / 8}
_PCIE_LANE |= {5: 32e9 * 128 / 130 / 8, 6: 64e9 * 242 / 256 / 8}


class Card(NamedTuple):
    """An accelerator: memory in bytes, speeds in bytes/s and FLOP/s; None is "not known".

    ``own_context`` is what a process was measured to take: typical, low, high, source.

    ``link_bandwidth`` counts both directions of all links of one card; ``pcie_bandwidth`` one.
    """

    id: str
    name: str
    vendor: str
    kind: str
    marketed_memory: int
    marketed_unit: str
    source: str
    architecture: str | None = None
    compute_capability: str | None = None
    launch_year: int | None = None
    driver_total_bytes: int | None = None
    visible_bytes: int | None = None
    visible_low: int | None = None
    visible_high: int | None = None
    visible_basis: str = "measured"
    visible_source: str | None = None
    bandwidth: int | None = None
    dense_flops: tuple[tuple[str, int], ...] = ()
    flops_source: str | None = None
    link: str | None = None
    link_bandwidth: int | None = None
    link_joins: int | None = None
    pcie: str | None = None
    watts: int | None = None
    notes: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    common: tuple[str, ...] = ()
    own_context: tuple[int, int, int, str] | None = None

    @property
    def usable(self) -> Usable:
        """What an application can allocate, with bounds, basis and the reason."""
        return usable_memory(self)

    @property
    def usable_bytes(self) -> int:
        """Bytes an application can allocate: the typical figure."""
        return self.usable.bytes

    @property
    def usable_low(self) -> int:
        """The fewest bytes an application may find."""
        return self.usable.low

    @property
    def usable_high(self) -> int:
        """The most bytes an application may find."""
        return self.usable.high

    @property
    def usable_basis(self) -> str:
        """``measured``, ``calibrated`` or ``assumed``."""
        return self.usable.basis

    @property
    def usable_why(self) -> str:
        """One sentence on where ``usable_bytes`` comes from."""
        return self.usable.why

    @property
    def cuda_visible_bytes(self) -> int | None:
        """Total that CUDA programs see, where it was measured on an NVIDIA card."""
        return self.visible_bytes if self.vendor == "NVIDIA" else None

    @property
    def pcie_bandwidth(self) -> int | None:
        """Bytes/s in one direction over PCIe, after line coding, before packet overhead."""
        match = re.match(_PCIE, self.pcie or "")
        return round(_PCIE_LANE[int(match[1])] * int(match[2])) if match else None

    def flops(self, dtype: str) -> int | None:
        """Dense FLOP/s (or integer operations/s) for ``dtype``: ``bf16``, ``fp8``, ``int8``…"""
        return dict(self.dense_flops).get(dtype)


def card_from_row(row: Mapping[str, Any]) -> Card:
    """A :class:`Card` from one parsed row of ``cards.jsonl``."""
    low, visible, high = _visible(row.get("visible"))
    memory = str(row["memory"])
    return Card(
        id=row["id"],
        name=row["name"],
        vendor=row["vendor"],
        kind=row["kind"],
        marketed_memory=parse_size(memory),
        marketed_unit=memory.lstrip("0123456789. "),
        source=row["source"],
        architecture=row.get("architecture"),
        compute_capability=row.get("compute"),
        launch_year=row.get("year"),
        driver_total_bytes=_size(row.get("driver")),
        visible_bytes=visible,
        visible_low=low,
        visible_high=high,
        visible_basis=row.get("visible_basis", "measured"),
        visible_source=row.get("visible_source"),
        bandwidth=_scaled(row.get("gb_per_s"), GB),
        dense_flops=tuple((kind, round(rate * TB)) for kind, rate in row["tflops"].items()),
        flops_source=row.get("tflops_source"),
        link=row.get("link"),
        link_bandwidth=_scaled(row.get("link_gb_per_s"), GB),
        link_joins=row.get("link_joins"),
        pcie=row.get("pcie"),
        watts=row.get("watts"),
        notes=tuple(row.get("notes", ())),
        aliases=tuple(row.get("aliases", ())),
        common=tuple(row.get("common", ())),
    )


def _visible(given: str | list[str] | None) -> tuple[int | None, int | None, int | None]:
    if isinstance(given, list):
        low, typical, high = (parse_size(size) for size in given)
        return low, typical, high
    return None, _size(given), None


def _size(text: str | None) -> int | None:
    return None if text is None else parse_size(text)


def _scaled(number: float | None, factor: int) -> int | None:
    return None if number is None else round(number * factor)
