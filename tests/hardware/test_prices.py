"""The table of prices, and a user's own file in its place."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from weighbridge.errors import HardwareError
from weighbridge.hardware import prices
from weighbridge.hardware.cards import find_card, list_cards
from weighbridge.hardware.prices import KINDS, price_of, price_table

ROWS = [quote for quotes in price_table().values() for quote in quotes]
IDS = {card.id for card in list_cards()}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.card}-{row.kind}-{row.date}")
def test_a_row_is_dated_sourced_and_plausible(row: prices.Quote):
    assert row.card in IDS
    assert row.kind in KINDS
    assert row.currency == "USD"
    assert re.fullmatch(r"20\d\d-\d\d(-\d\d)?", row.date)
    assert "2020" <= row.date < "2027"
    assert len(row.source) >= 20
    assert row.provider
    least, most = (0.05, 20) if row.kind == "rent" else (100, 60_000)
    assert least <= row.low <= row.high <= most


@pytest.mark.parametrize("key", list(price_table()), ids=" ".join)
def test_a_price_spans_every_offer(key: tuple[str, str]):
    price = price_of(*key)
    assert price is not None
    assert price.low == min(quote.low for quote in price.quotes)
    assert price.high == max(quote.high for quote in price.quotes)
    assert price.oldest <= price.newest
    assert price.newest in str(price)


def test_the_spread_between_providers_is_kept():
    rent = price_of(find_card("H100"))
    assert rent is not None
    assert rent.high > 2 * rent.low


def test_a_card_without_offers_has_no_price():
    assert price_of("inferentia2") is None
    assert price_of("24gib", "purchase") is None


def test_a_file_takes_the_place_of_what_it_names(tmp_path: Path):
    file = tmp_path / "own.jsonl"
    row = {"card": "H100", "kind": "rent", "low": 1.5, "high": 1.75, "date": "2026-11-01"}
    file.write_text(json.dumps(row) + "\n\n", encoding="utf-8")
    table = price_table(file)
    rent = price_of("h100-sxm", "rent", table)
    assert rent is not None
    assert (rent.low, rent.high, rent.newest) == (1.5, 1.75, "2026-11-01")
    assert price_of("h100-sxm", "purchase", table) == price_of("h100-sxm", "purchase")
    assert price_of("rtx-4090", "rent", table) == price_of("rtx-4090")


GOOD = {"card": "h100-sxm", "kind": "rent", "low": 1.0, "date": "2026-11-01"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"card": "h9000"}, "no card is called"),
        ({"kind": "lease"}, "not rent or purchase"),
        ({"low": -1}, "not an amount"),
        ({"low": "2"}, "not an amount"),
        ({"low": float("nan")}, "not an amount"),
        ({"low": True}, "not an amount"),
        ({"high": 0.5}, "less than low"),
        ({"date": "yesterday"}, "not a day"),
        ({"spot": 1}, "has no 'spot'"),
        ({"currency": "EUR"}, "convert to USD"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_bad_row_is_one_sentence(tmp_path: Path, change: dict, said: str):
    file = tmp_path / "own.jsonl"
    file.write_text(json.dumps({**GOOD, **change}), encoding="utf-8")
    with pytest.raises(HardwareError, match=re.escape(said)):
        price_table(file)


@pytest.mark.parametrize("text", ["[1]", "{", '{"card": "h100-sxm"}', "[" * 5000, "\x00\xff"])
def test_what_is_no_row_is_refused(tmp_path: Path, text: str):
    file = tmp_path / "own.jsonl"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(HardwareError, match="a price is an object"):
        price_table(file)


def test_a_file_that_is_missing_or_huge_is_refused(tmp_path: Path):
    with pytest.raises(HardwareError, match="cannot be read"):
        price_table(tmp_path / "none.jsonl")
    file = tmp_path / "huge.jsonl"
    file.write_bytes(b"\n" * (prices.LARGEST_FILE + 1))
    with pytest.raises(HardwareError, match="more than"):
        price_table(file)
