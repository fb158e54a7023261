"""A plan's numbers as rows: devices that agree grouped, terms in order, one unit throughout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from weighbridge.planner import DevicePlan, Weighing
from weighbridge.show.bar import Bar, stack
from weighbridge.show.labels import label, phase_label, place
from weighbridge.show.width import clean
from weighbridge.term import Term
from weighbridge.units import GIB, MIB

TRACE = "<0.01"


class Unit(NamedTuple):
    """The one unit in which all sizes of a table are printed."""

    name: str
    bytes: int

    def text(self, size: int | None) -> str:
        """``size`` in this unit with two decimals; what would round to nothing is a trace."""
        if size is None:
            return ""
        if 0 < size * 200 < self.bytes:
            return TRACE
        return f"{size / self.bytes:,.2f}"

    def range(self, low: int, high: int) -> str:
        """``low–high``, or nothing where they print the same."""
        first, last = self.text(low), self.text(high)
        return "" if first == last else f"{first}–{last}"


def unit_for(plan: Weighing) -> Unit:
    """GiB, or MiB for what is smaller than one GiB altogether."""
    return Unit("GiB", GIB) if plan.high >= GIB else Unit("MiB", MIB)


@dataclass(frozen=True, slots=True)
class Group:
    """Devices of one card whose numbers agree as printed."""

    devices: tuple[DevicePlan, ...]

    @property
    def first(self) -> DevicePlan:
        """The one that stands for all: the fullest, by the bytes that are not printed."""
        return max(self.devices, key=lambda device: device.total)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.devices)

    @property
    def vendor(self) -> str | None:
        """The card's maker."""
        return self.first.card.vendor if self.first.card else None

    @property
    def title(self) -> str:
        """``2 × H100 SXM``."""
        name = clean(self.first.name)
        return f"{self.count} × {name}" if self.count > 1 else name

    @property
    def indices(self) -> str:
        """``0–3, 6``."""
        runs: list[list[int]] = []
        for index in (device.index for device in self.devices):
            if runs and runs[-1][1] == index - 1:
                runs[-1][1] = index
            else:
                runs.append([index, index])
        return ", ".join(str(a) if a == b else f"{a}–{b}" for a, b in runs)

    @property
    def numbered(self) -> str:
        """``0–1: 2 × H100 SXM``."""
        return f"{self.indices}: {self.title}"

    def numbers(self, unit: Unit) -> str:
        """``17.36 of 23.52 GiB``."""
        of = "" if self.first.usable is None else f" of {unit.text(self.first.usable)}"
        return f"{unit.text(self.first.total)}{of} {unit.name}"

    @property
    def free(self) -> int | None:
        """Bytes left on each at the peak, below zero where it overflows; None without a card."""
        usable = self.first.usable
        return None if usable is None else usable - self.first.total

    def bar(self, cells: int, scale: int | None = None) -> Bar:
        """The stacked bar of one of them against what is usable."""
        parts = [(term.name, term.bytes) for term in ordered(self.first.terms)]
        return stack(parts, cells, limit=self.first.usable, scale=scale)


def group_devices(plan: Weighing) -> tuple[Group, ...]:
    """The devices of a plan in order of first use; those that print the same at their peak
    stand together."""
    unit = unit_for(plan)
    groups: dict[object, list[DevicePlan]] = {}
    for device in plan.devices:
        groups.setdefault(_printed(device, unit), []).append(device)
    return tuple(Group(tuple(devices)) for devices in groups.values())


def _printed(device: DevicePlan, unit: Unit) -> object:
    terms = tuple(
        (t.name, t.phase, unit.text(t.bytes), unit.text(t.low), unit.text(t.high), t.basis)
        for t in ordered(device.terms)
        if unit.text(t.high) != TRACE
    )
    return device.name, device.card, device.phase, unit.text(device.total), terms


def common_scale(groups: Sequence[Group]) -> int:
    """What one width of bar stands for where several bars are compared."""
    return max(max(group.first.total, group.first.usable or 0) for group in groups)


def fullest(groups: Sequence[Group]) -> Group:
    """The group with the least left, or with the most in it where no card was named."""
    return min(groups, key=lambda g: -g.first.total if g.free is None else g.free)


def ordered(terms: Sequence[Term]) -> list[Term]:
    """Terms that can hold anything, in the order in which they are shown."""
    return sorted((term for term in terms if term.high > 0), key=lambda term: place(term.name))


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table of terms; ``kind`` is ``term``, ``total``, ``usable`` or ``free``."""

    kind: str
    name: str
    label: str
    phase: str
    size: str
    range: str
    share: str
    basis: str

    @property
    def cells(self) -> tuple[str, str, str, str, str, str]:
        """The cells under :func:`headings`."""
        return self.label, self.phase, self.size, self.range, self.share, self.basis


def headings(group: Group, unit: Unit) -> tuple[str, str, str, str, str, str]:
    """The header of :func:`ledger_rows`; ``%`` is of what is usable, or of the total."""
    share = "of total" if group.first.usable is None else "of card"
    return "", "held", unit.name, "range", share, "basis"


def ledger_rows(group: Group, unit: Unit) -> list[Row]:
    """The terms of one device at its peak, then total, usable and free."""
    device, whole = group.first, group.first.usable or group.first.total
    rows = [
        Row(
            "term",
            term.name,
            label(term.name, group.vendor),
            phase_label(term.phase),
            unit.text(term.bytes),
            unit.range(term.low, term.high),
            _percent(term.bytes, whole),
            term.basis,
        )
        for term in ordered(device.terms)
    ]
    total = (unit.text(device.total), unit.range(device.low, device.high))
    rows.append(Row("total", "", "total", "", *total, _percent(device.total, whole), ""))
    if device.card is not None and group.free is not None:
        usable = device.card.usable
        bounds = unit.range(usable.low, usable.high)
        size = unit.text(usable.bytes)
        rows.append(Row("usable", "", "usable", "", size, bounds, "", usable.basis))
        word, left = "free" if group.free >= 0 else "missing", abs(group.free)
        rows.append(Row("free", "", word, "", unit.text(left), "", _percent(left, whole), ""))
    return rows


def _percent(size: int, whole: int) -> str:
    if whole <= 0:
        return ""
    if 0 < size * 2000 < whole:
        return "<0.1 %"
    return f"{100 * size / whole:,.1f} %"
