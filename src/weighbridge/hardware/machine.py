"""A description such as ``2xH100+1xA100`` → the devices of a machine and the links between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from weighbridge.errors import HardwareError
from weighbridge.hardware.card import Card
from weighbridge.hardware.cards import Found, custom_card, known, look_up
from weighbridge.hardware.host import host_named, is_host
from weighbridge.units import format_bytes_decimal, parse_size

MOST_DEVICES = 1024
_LONGEST = 2000
_TIMES = "xX×*"
_UNITS = {prefix + suffix for prefix in "kmgt" for suffix in ("", "b", "ib")} | {"b"}


class Link(NamedTuple):
    """How two devices exchange data: ``bytes_per_second`` in one direction, None if not known."""

    kind: str
    bytes_per_second: int | None
    why: str


class Machine(NamedTuple):
    """The devices of one machine, in order, and what was assumed in reading its description."""

    devices: tuple[Card, ...]
    notes: tuple[str, ...] = ()
    text: str = ""

    @property
    def groups(self) -> tuple[tuple[Card, int], ...]:
        """Runs of equal cards, each with its count."""
        runs: list[tuple[Card, int]] = []
        for card in self.devices:
            if runs and runs[-1][0] == card:
                runs[-1] = (card, runs[-1][1] + 1)
            else:
                runs.append((card, 1))
        return tuple(runs)

    @property
    def name(self) -> str:
        """The description in canonical form: ``2xh100-sxm+a100-sxm-80gb``."""
        return "+".join(f"{n}x{card.id}" if n > 1 else card.id for card, n in self.groups)

    @property
    def mixed(self) -> bool:
        """Whether its devices differ."""
        return len(set(self.devices)) > 1

    @property
    def link(self) -> Link | None:
        """The slowest link between any two devices; None for a single device."""
        return self.link_of(range(len(self.devices)))

    def link_of(self, devices: Iterable[int]) -> Link | None:
        """The slowest link among the devices of these indices; None for fewer than two."""
        chosen = sorted(set(devices))
        if len(chosen) < 2:
            return None
        cards = [self.devices[index] for index in chosen]
        card = cards[0]
        if card.link_bandwidth and card.link_joins and all(other == card for other in cards):
            first = self.devices.index(card)
            blocks = {(index - first) // card.link_joins for index in chosen}
            if len(blocks) == 1:
                return _maker_link(card)
        return _pcie_link(cards)


def _maker_link(card: Card) -> Link:
    one_way = (card.link_bandwidth or 0) // 2
    rate = format_bytes_decimal(one_way)
    why = f"{card.link} of {card.id}, {rate}/s each way, joins up to {card.link_joins} cards"
    if (card.link_joins or 0) <= 4:
        why += " where the bridge is fitted"
    return Link(card.link or "link", one_way, why)


def _pcie_link(cards: Sequence[Card]) -> Link:
    rates = [card.pcie_bandwidth for card in cards]
    known = [rate for rate in rates if rate is not None]
    if len(known) < len(rates):
        unknown = next(card.id for card in cards if card.pcie_bandwidth is None)
        return Link("unknown", None, f"no link between these devices is known for {unknown}")
    slowest = cards[rates.index(min(known))]
    return Link("PCIe", min(known), f"over the host; slowest is {slowest.pcie} of {slowest.id}")


def machine_of(cards: Iterable[Card], notes: Iterable[str] = (), text: str = "") -> Machine:
    """A machine of these cards; HardwareError unless there are 1 to 1,024 of them."""
    devices = tuple(cards)
    if not 1 <= len(devices) <= MOST_DEVICES:
        raise HardwareError(
            f"a machine has 1 to {MOST_DEVICES:,} devices, not {len(devices):,}; "
            "write for example 8xh100-sxm"
        )
    machine = Machine(devices, tuple(dict.fromkeys(notes)), text)
    return machine if text else Machine(devices, machine.notes, machine.name)


def parse_machine(text: str | Sequence[str]) -> Machine:
    """``rtx-4090``, ``2xH100``, ``H100:2``, ``rtx-4090,rtx-3090``, ``2xH100+A100``, ``24GiB``.

    Several descriptions make one mixed machine. A bare size is a card of that capacity whose
    speed is not known. Raises HardwareError or UnitError (a bare ``24G``).

    >>> [card.id for card in parse_machine("H100:2").devices]
    ['h100-sxm', 'h100-sxm']
    """
    values = [text] if isinstance(text, str) else list(text)
    whole = ",".join(values)
    if len(whole) > _LONGEST:
        raise HardwareError(f"the hardware description is longer than {_LONGEST:,} characters")
    devices: list[Card] = []
    notes: list[str] = []
    for item in (item for value in values for item in _items(value)):
        count, found = _group(item)
        if len(devices) + count > MOST_DEVICES:
            raise HardwareError(f"{_shown(whole)} has more than {MOST_DEVICES:,} devices")
        devices += [found.card] * count
        notes += [found.said] if found.said else []
    return machine_of(devices, notes, whole)


def _items(value: str) -> list[str]:
    """The parts of a list; a card's own name may hold a ``+`` (Ryzen AI Max+ 395)."""
    items: list[str] = []
    for piece in value.replace(";", ",").split(","):
        items += [piece] if "+" in piece and _is_one(piece) else piece.split("+")
    if not all(item.strip() for item in items):
        raise HardwareError(
            f"{_shown(value)} names no card in one place; write for example 2xH100 or rtx-4090"
        )
    return items


def _is_one(piece: str) -> bool:
    _, name, _ = _parts(piece)
    found = known(name) if len(name) <= 100 else None
    return found is not None and "+" in found.card.name


def _parts(item: str) -> tuple[str, str, str]:
    """``2 x H100`` → ("2", "H100", ""); ``H100:2`` → ("", "H100", "2")."""
    name = item.strip()
    before, after = "", ""
    rest = name.lstrip("0123456789")
    if len(rest) < len(name) and rest.lstrip()[:1] in tuple(_TIMES) and rest.lstrip()[1:].strip():
        before, name = name[: -len(rest)], rest.lstrip()[1:].strip()
    head, colon, tail = name.rpartition(":")
    if colon and head.strip() and tail.strip().isascii() and tail.strip().isdecimal():
        name, after = head.strip(), tail.strip()
    return before, name, after


def _group(item: str) -> tuple[int, Found]:
    before, name, after = _parts(item)
    if before and after:
        raise HardwareError(f"{_shown(item)} gives the count twice; write 2xH100 or H100:2")
    return _count(before or after, item) if before or after else 1, _found(name)


def _count(digits: str, item: str) -> int:
    count = int(digits) if len(digits) <= 9 else MOST_DEVICES + 1
    if not 1 <= count <= MOST_DEVICES:
        raise HardwareError(f"the count in {_shown(item)} must be 1 to {MOST_DEVICES:,}")
    return count


def _found(name: str) -> Found:
    if is_host(name):
        return Found(host_named(name))
    unit = name.lstrip("0123456789._ ")
    if len(unit) == len(name) or unit.lower() not in _UNITS:
        return look_up(name)
    size = parse_size(name, "card size")
    if size == 0:
        raise HardwareError(f"a card of {name} holds nothing; write for example 24GiB")
    said = f"{name} is a card of that capacity, all of it usable, speed not known"
    return Found(custom_card(size, name), said)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:56] + "…")
