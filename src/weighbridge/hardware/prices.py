"""What cards cost: ``prices.jsonl``, one row for each offer, dated and with its source.

Keys of a row: ``card`` (its id), ``kind`` (``rent``: one card for an hour on demand;
``purchase``: one card), ``low`` and ``high``, ``currency``, ``provider``, ``date``
(``2026-11-09`` or ``2026-11``; where a source is undated, when it was read) and ``source``.

Offers for one card differ twofold and more, so a price is a range over its rows, never one figure.
A file of the same rows takes the place of the table's for the cards and kinds that it names.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from functools import cache
from os.path import dirname, join
from typing import Any, NamedTuple

from weighbridge.errors import HardwareError
from weighbridge.hardware.card import Card
from weighbridge.hardware.cards import find_card

RENT, PURCHASE = "rent", "purchase"
KINDS = (RENT, PURCHASE)
LARGEST_FILE = 2**20
HIGHEST = 10**9
_DATE = r"\d{4}-\d{2}(-\d{2})?"


class Quote(NamedTuple):
    """One offer: the lowest and highest figure of ``provider`` for one card, as of ``date``."""

    card: str
    kind: str
    low: float
    high: float
    currency: str
    provider: str
    date: str
    source: str


class Price(NamedTuple):
    """What a card costs: the range over all offers that are known, which are never none."""

    card: str
    kind: str
    quotes: tuple[Quote, ...]

    @property
    def low(self) -> float:
        """The least that is asked."""
        return min(quote.low for quote in self.quotes)

    @property
    def high(self) -> float:
        """The most that is asked."""
        return max(quote.high for quote in self.quotes)

    @property
    def currency(self) -> str:
        """The currency of every offer: ``USD``."""
        return self.quotes[0].currency

    @property
    def oldest(self) -> str:
        """The date of the oldest offer in the range."""
        return min(quote.date for quote in self.quotes)

    @property
    def newest(self) -> str:
        """The date of the newest offer in the range."""
        return max(quote.date for quote in self.quotes)

    @property
    def providers(self) -> str:
        """Who asks it, each once."""
        return "; ".join(dict.fromkeys(quote.provider for quote in self.quotes))

    def __str__(self) -> str:
        unit = " an hour" if self.kind == RENT else ""
        return f"{spoken(self.low, self.high, self.currency)}{unit} ({dated(self)})"

    def times(self, count: float) -> tuple[float, float]:
        """Lowest and highest for ``count`` cards, or for ``count`` hours of one."""
        return self.low * count, self.high * count

    def to_dict(self) -> dict[str, Any]:
        """The range, its dates and its offers as JSON prints them."""
        return {
            "kind": self.kind,
            "low": self.low,
            "high": self.high,
            "currency": self.currency,
            "oldest": self.oldest,
            "newest": self.newest,
            "offers": [quote._asdict() for quote in self.quotes],
        }


Prices = Mapping[tuple[str, str], tuple[Quote, ...]]


def price_of(card: Card | str, kind: str = RENT, prices: Prices | None = None) -> Price | None:
    """The range of offers for a card, by its id; None where none is known.

    ``prices`` is what :func:`price_table` read of a file; the table's own rows otherwise.

    >>> price_of("h100-sxm").low < price_of("h100-sxm").high
    True
    >>> price_of("24gib") is None
    True
    """
    name = card if isinstance(card, str) else card.id
    quotes = (_own() if prices is None else prices).get((name, kind))
    return Price(name, kind, quotes) if quotes else None


def price_table(path: str | os.PathLike[str] | None = None) -> Prices:
    """Every offer by card and kind; those of the file at ``path`` take the place of the table's."""
    if path is None:
        return _own()
    return {**_own(), **_grouped(_read(os.fspath(path)))}


def spoken(low: float, high: float, currency: str = "USD") -> str:
    """``$1.90 to $12.29``; whole amounts from a hundred on; one figure where the two are the same.

    >>> spoken(1599, 3399)
    '$1,599 to $3,399'
    """
    ends = dict.fromkeys(
        f"${end:,.{0 if end >= 100 else 2}f}" if currency == "USD" else f"{end:,.2f} {currency}"
        for end in (low, high)
    )
    return " to ".join(ends)


def dated(price: Price) -> str:
    """The dates of its oldest and newest offer."""
    return " to ".join(dict.fromkeys((price.oldest, price.newest)))


@cache
def _own() -> Prices:
    with open(join(dirname(__file__), "prices.jsonl"), encoding="utf-8") as file:
        rows = json.loads("[" + ",".join(file.read().splitlines()) + "]")
    return _grouped(Quote(**row) for row in rows)


def _grouped(quotes: Iterable[Quote]) -> dict[tuple[str, str], tuple[Quote, ...]]:
    found: dict[tuple[str, str], tuple[Quote, ...]] = {}
    for quote in quotes:
        key = (quote.card, quote.kind)
        found[key] = (*found.get(key, ()), quote)
    return found


def _read(path: str) -> list[Quote]:
    """The rows of a user's file, each checked; HardwareError names the line."""
    try:
        with open(path, "rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise HardwareError(f"prices {path!r} cannot be read: {error.strerror}") from None
    if len(raw) > LARGEST_FILE:
        raise HardwareError(f"prices {path!r} has more than {LARGEST_FILE:,} bytes")
    quotes = [
        _quote(line, f"{path}, line {number}")
        for number, line in enumerate(raw.decode("utf-8", "replace").splitlines(), 1)
        if line.strip()
    ]
    currencies = sorted({quote.currency for quote in quotes} | {"USD"})
    if len(currencies) > 1:
        raise HardwareError(f"prices {path!r} are in {' and '.join(currencies)}; convert to USD")
    return quotes


def _quote(line: str, where: str) -> Quote:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict) or not {"card", "kind", "low", "date"} <= set(row):
        raise HardwareError(
            f"{where}: a price is an object of card, kind, low, high and date, such as "
            '{"card": "h100-sxm", "kind": "rent", "low": 2.5, "high": 3, "date": "2026-11-01"}'
        )
    unknown = set(row) - set(Quote._fields)
    if unknown:
        raise HardwareError(f"{where}: a price has no {min(unknown)[:40]!r}")
    texts = {name: str(row.get(name, default)) for name, default in _DEFAULTS.items()}
    if texts["kind"] not in KINDS:
        raise HardwareError(f"{where}: kind {texts['kind'][:40]!r} is not rent or purchase")
    if not re.fullmatch(_DATE, texts["date"]):
        raise HardwareError(f"{where}: date {texts['date'][:40]!r} is not a day such as 2026-11-01")
    texts["card"] = find_card(texts["card"]).id
    low = _amount(row["low"], where)
    high = _amount(row.get("high", low), where)
    if high < low:
        raise HardwareError(f"{where}: high {high:g} is less than low {low:g}")
    return Quote(low=low, high=high, **texts)


_DEFAULTS = {"card": "", "kind": "", "currency": "USD", "provider": "yours", "date": "",
             "source": "given in a file"}  # fmt: skip


def _amount(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= HIGHEST:
        raise HardwareError(f"{where}: {str(value)[:40]!r} is not an amount of 0 or more")
    return float(value)
