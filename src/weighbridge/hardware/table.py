"""Cards as rows of text and as plain values: what ``weigh cards`` and ``weigh card`` print."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from weighbridge.hardware.card import Card
from weighbridge.hardware.prices import KINDS, price_of
from weighbridge.units import TB, format_bytes, format_bytes_decimal

HEADER = ("card", "name", "memory", "usable", "bandwidth", "bf16", "link", "watts", "year")


def cards_table(cards: Iterable[Card]) -> list[tuple[str, ...]]:
    """A header and one row of text per card; ``-`` where a figure is not known."""
    return [HEADER, *(_row(card) for card in cards)]


def _row(card: Card) -> tuple[str, ...]:
    return (
        card.id,
        card.name,
        marketed(card),
        format_bytes(card.usable_bytes),
        _rate(card.bandwidth),
        _tflops(card.flops("bf16")),
        f"{card.link} {_rate(card.link_bandwidth)}" if card.link else "-",
        _or_dash(card.watts),
        _or_dash(card.launch_year),
    )


def marketed(card: Card) -> str:
    """The memory on the box, in the unit it is really meant in: ``80 GiB``."""
    show = format_bytes_decimal if card.marketed_unit == "GB" else format_bytes
    return show(card.marketed_memory, 2 if card.marketed_unit == "B" else 0)


def card_details(card: Card) -> list[tuple[str, str]]:
    """Every known fact of a card as (label, text), with its sources and doubts."""
    usable = card.usable
    facts: list[tuple[str, str | None]] = [
        ("card", card.id),
        ("name", f"{card.vendor} {card.name}"),
        ("kind", f"{card.kind}, {card.architecture or 'architecture not known'}"),
        ("compute capability", card.compute_capability),
        ("launched", None if card.launch_year is None else str(card.launch_year)),
        ("memory as marketed", marketed(card)),
        ("driver total", _size(card.driver_total_bytes)),
        ("usable", f"{format_bytes(usable.bytes)} ({usable.basis})"),
        ("usable, bounds", f"{format_bytes(usable.low)} to {format_bytes(usable.high)}"),
        ("usable, why", usable.why),
        ("bandwidth", _rate(card.bandwidth)),
        ("dense rates", ", ".join(f"{name} {_tflops(rate)}" for name, rate in card.dense_flops)),
        ("dense rates, why", card.flops_source),
        ("link", _link(card)),
        ("host", card.pcie),
        ("power", None if card.watts is None else f"{card.watts} W"),
        *((f"price, {kind}", text) for kind, text in _prices(card)),
        ("source", card.source),
        ("also called", ", ".join((*card.aliases, *card.common))),
    ]
    known = [(label, text) for label, text in facts if text]
    return known + [("note", note) for note in card.notes]


def card_to_dict(card: Card) -> dict[str, Any]:
    """Plain values for JSON: bytes, bytes/s and FLOP/s are integers, None is "not known"."""
    usable = card.usable
    fields = {
        name: list(value) if isinstance(value, tuple) else value
        for name in Card._fields
        if name != "dense_flops"
        for value in (getattr(card, name),)
    }
    return fields | {
        "dense_flops": dict(card.dense_flops),
        "pcie_bandwidth": card.pcie_bandwidth,
        "usable_bytes": usable.bytes,
        "usable_low": usable.low,
        "usable_high": usable.high,
        "usable_basis": usable.basis,
        "usable_why": usable.why,
        "prices": [
            price.to_dict() for kind in KINDS if (price := price_of(card, kind)) is not None
        ],
    }


def _or_dash(value: int | None) -> str:
    return "-" if value is None else str(value)


def _size(count: int | None) -> str | None:
    return None if count is None else format_bytes(count)


def _rate(per_second: int | None) -> str:
    return "-" if per_second is None else f"{format_bytes_decimal(per_second)}/s"


def _tflops(rate: int | None) -> str:
    if rate is None:
        return "-"
    return f"{rate / TB:,.0f} TF" if rate >= 1000 * TB else f"{rate / TB:.4g} TF"


def _link(card: Card) -> str | None:
    if card.link is None:
        return None
    return (
        f"{card.link}, {_rate(card.link_bandwidth)} both directions together, "
        f"joins up to {card.link_joins} cards"
    )


def _prices(card: Card) -> list[tuple[str, str]]:
    """The range of each kind of price that is known, with its dates and who asks it."""
    found = [price for kind in KINDS if (price := price_of(card, kind)) is not None]
    return [(price.kind, f"{price}; {price.providers}") for price in found]
