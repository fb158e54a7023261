"""Cards as text and as JSON."""

import json

import pytest

from weighbridge.hardware import find_card, list_cards, parse_machine
from weighbridge.hardware.table import HEADER, card_details, card_to_dict, cards_table, marketed

CARDS = list_cards()


def test_table_is_rectangular():
    rows = cards_table(CARDS)
    assert rows[0] == HEADER
    assert len(rows) == len(CARDS) + 1
    assert {len(row) for row in rows} == {len(HEADER)}
    assert all(isinstance(cell, str) and cell for row in rows for cell in row)


def test_a_row():
    assert cards_table([find_card("h100-sxm")])[1] == (
        "h100-sxm",
        "H100 SXM",
        "80 GiB",
        "79.18 GiB",
        "3.35 TB/s",
        "989 TF",
        "NVLink 900.0 GB/s",
        "700",
        "2022",
    )


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_details_and_json(card):
    details = card_details(card)
    assert all(label and text for label, text in details)
    labels = [label for label, _ in details]
    assert {"card", "usable", "usable, why", "source"} <= set(labels)
    assert labels.count("note") == len(card.notes)
    plain = json.loads(json.dumps(card_to_dict(card)))
    assert plain["usable_bytes"] == card.usable_bytes
    for name in ("marketed_memory", "usable_bytes", "usable_low", "usable_high", "bandwidth"):
        assert isinstance(plain[name], int)


def test_a_bare_size_prints():
    card = parse_machine("24GB").devices[0]
    assert marketed(card) == "22.35 GiB"
    assert cards_table([card])[1][4] == "-"
