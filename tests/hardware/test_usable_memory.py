"""What an application can allocate: measured, calibrated or assumed, always with bounds."""

import pytest

from weighbridge.hardware import find_card, list_cards
from weighbridge.hardware.cards import custom_card
from weighbridge.hardware.usable import nvidia_reserve
from weighbridge.units import GIB, MIB

CARDS = list_cards()


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_bounds_hold_the_figure(card):
    usable = card.usable
    assert 0 < usable.low <= usable.bytes <= usable.high
    assert usable.basis in {"measured", "calibrated", "assumed"}
    assert 20 <= len(usable.why) <= 400
    assert not usable.why.endswith(".")
    assert usable.bytes <= card.marketed_memory or card.notes
    assert (card.usable_bytes, card.usable_low, card.usable_high) == usable[:3]
    assert (card.usable_basis, card.usable_why) == usable[3:]


def test_rtx_4090_is_what_cuda_says():
    card = find_card("rtx-4090")
    assert card.driver_total_bytes == 24_564 * MIB
    assert card.cuda_visible_bytes == 25_250_627_584
    assert round(card.usable_bytes / MIB) == 24_081
    assert card.usable_basis == "measured"


SEEN = [  # GiB as engines printed it
    ("h100-sxm", 79.11, 79.33),
    ("a100-sxm-80gb", 79.15, 79.33),
    ("a100-sxm-40gb", 39.39, 39.56),
    ("t4", 14.74, 14.74),
    ("l4", 22.16, 22.16),
    ("rtx-4090", 23.49, 23.65),
    ("rtx-3090", 23.58, 23.58),
    ("rtx-5090", 31.4, 31.84),
    ("rtx-pro-6000-server", 94.97, 94.97),
    ("h200-sxm", 139.72, 139.81),
    ("b200-sxm", 178.36, 178.36),
    ("b300-sxm", 267.69, 267.69),
    ("dgx-spark", 121.69, 121.69),
]


@pytest.mark.parametrize(("identity", "low", "high"), SEEN, ids=[s[0] for s in SEEN])
def test_bounds_cover_what_engines_printed(identity, low, high):
    card = find_card(identity)
    assert card.usable_basis == "measured"
    assert card.usable_low <= (low + 0.005) * GIB
    assert card.usable_high >= (high - 0.005) * GIB


def test_the_reserve_law_fits_the_cards_where_both_totals_are_known():
    ratios = []
    for card in CARDS:
        if card.cuda_visible_bytes is None or card.driver_total_bytes is None:
            continue
        if any("older drivers" in note for note in card.notes):
            continue
        reserve = card.driver_total_bytes - card.cuda_visible_bytes
        ratios.append(reserve / nvidia_reserve(card.driver_total_bytes))
    assert len(ratios) >= 15
    assert min(ratios) >= 0.5
    assert max(ratios) <= 1.6
    assert 0.9 <= sorted(ratios)[len(ratios) // 2] <= 1.1


def test_calibrated_from_the_driver_total():
    card = find_card("rtx-4080")
    assert card.usable_basis == "calibrated"
    assert card.usable_bytes == 16_376 * MIB - nvidia_reserve(16_376 * MIB)
    assert card.usable_high == 16_375 * MIB


@pytest.mark.parametrize(
    ("name", "seen_mib"),
    [
        ("M1 Pro 16GB", 10_922.67),
        ("M2", 16_384),
        ("M4 16GB", 12_124),
        ("M3 Max 48GB", 36_864),
        ("M3 Max 64GB", 53_084),
        ("M3 Max", 98_304),
        ("M5 Max", 107.52 * 1024),
    ],
)
def test_apple_bounds_cover_what_metal_recommended(name, seen_mib):
    card = find_card(name)
    assert card.usable_basis == "assumed"
    assert card.usable_low - MIB <= seen_mib * MIB <= card.usable_high + MIB
    assert "recommendedMaxWorkingSetSize" in card.usable_why


def test_amd_loses_sixteen_mebibytes():
    assert find_card("rx-7900-xtx").usable_bytes == 24_560 * MIB
    assert find_card("rx-7800-xt").usable_bytes == 16_368 * MIB
    assert find_card("rx-7800-xt").usable_basis == "calibrated"


def test_a_bare_size_is_taken_whole():
    card = custom_card(24 * GIB, "24GiB")
    assert (card.usable_low, card.usable_bytes, card.usable_high) == (24 * GIB,) * 3
    assert card.usable_basis == "assumed"
    assert card.bandwidth is None
