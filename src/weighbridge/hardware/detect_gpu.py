"""One detected accelerator, and which card of the table it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from weighbridge.hardware.card import Card
from weighbridge.hardware.cards import card_named, with_memory
from weighbridge.units import MIB


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process that holds memory of an accelerator; ``bytes`` None where the driver hides it."""

    pid: int
    bytes: int | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Gpu:
    """An accelerator as its driver describes it; bytes, None where not known.

    ``limit_bytes`` is the working-set limit that the operating system set (Apple). ``card_id``
    is the card of the table whose name matches exactly.
    """

    index: int
    vendor: str
    name: str
    seen_by: str
    total_bytes: int | None = None
    free_bytes: int | None = None
    limit_bytes: int | None = None
    uuid: str | None = None
    compute_capability: str | None = None
    cores: int | None = None
    mig: bool = False
    shares_memory: bool = False
    processes: tuple[GpuProcess, ...] = ()
    card_id: str | None = None

    def matched(self) -> Gpu:
        """This accelerator with ``card_id`` filled in where the table has its name."""
        card = self._table_card()
        return self if card is None else replace(self, card_id=card.id)

    def card(self) -> Card | None:
        """The :class:`Card` to plan with: the table's figures with the totals seen here."""
        card = self._table_card()
        if card is not None and not self.shares_memory:
            return self._with_seen_totals(card)
        if card is not None:
            return self._with_limit(card)
        if self.total_bytes is None:
            return None
        return Card(
            id=f"detected-{self.index}",
            name=self.name,
            vendor=self.vendor,
            kind="unified" if self.shares_memory else "discrete",
            marketed_memory=self.total_bytes,
            marketed_unit="B",
            source=f"seen by {self.seen_by} on this machine",
            driver_total_bytes=self.total_bytes,
            compute_capability=self.compute_capability,
            notes=("its name is not in the table, so its speed is not known",),
        )

    def _table_card(self) -> Card | None:
        names = [self.name] if self.cores is None else [f"{self.name} {self.cores}", self.name]
        for name in names:
            card = card_named(name, None if self.shares_memory else self.total_bytes)
            if card is not None:
                return card
        return None

    def _with_seen_totals(self, card: Card) -> Card:
        total, known = self.total_bytes, card.driver_total_bytes
        if total is None or (known is not None and abs(total - known) <= 64 * MIB):
            return card
        cleared = card._replace(visible_bytes=None, visible_low=None, visible_high=None)
        if card.vendor == "AMD":
            source = f"total of {self.seen_by} on this machine"
            return cleared._replace(
                driver_total_bytes=total, visible_bytes=total, visible_source=source
            )
        return cleared._replace(driver_total_bytes=total, visible_source=None)

    def _with_limit(self, card: Card) -> Card:
        if card.vendor == "Apple" and self.total_bytes is not None:
            card = with_memory(card, self.total_bytes)
        if self.limit_bytes is None:
            return card
        return card._replace(
            visible_bytes=self.limit_bytes,
            visible_low=self.limit_bytes,
            visible_high=self.limit_bytes,
            visible_source="iogpu.wired_limit_mb on this machine",
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; bytes are integers."""
        return {
            "index": self.index,
            "vendor": self.vendor,
            "name": self.name,
            "card": self.card_id,
            "seen_by": self.seen_by,
            "total_bytes": self.total_bytes,
            "free_bytes": self.free_bytes,
            "limit_bytes": self.limit_bytes,
            "uuid": self.uuid,
            "compute_capability": self.compute_capability,
            "cores": self.cores,
            "mig": self.mig,
            "shares_memory": self.shares_memory,
            "processes": [
                {"pid": process.pid, "bytes": process.bytes, "name": process.name}
                for process in self.processes
            ],
        }
