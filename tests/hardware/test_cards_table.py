"""The table of cards: shape of every row, plausible values, and facts checked by value."""

import json
from pathlib import Path

import pytest

import weighbridge.hardware
from weighbridge.errors import HardwareError
from weighbridge.hardware import Card, find_card, list_cards
from weighbridge.hardware.names import name_key
from weighbridge.units import GB, GIB, MIB, TB

TABLE = Path(weighbridge.hardware.__file__).with_name("cards.jsonl")
LINES = TABLE.read_text(encoding="utf-8").splitlines()
ROWS = [json.loads(line) for line in LINES]
IDS = [row["id"] for row in ROWS]
CARDS = list_cards()

ALWAYS = {"id", "name", "vendor", "kind", "architecture", "compute", "year", "memory"}
ALWAYS |= {"gb_per_s", "tflops", "source"}
SOMETIMES = {"driver", "visible", "visible_source", "visible_basis", "tflops_source", "link"}
SOMETIMES |= {"link_gb_per_s", "link_joins", "pcie", "watts"}
SOMETIMES |= {"notes", "aliases", "common", "default_for"}
TYPES = {"fp32", "tf32", "fp16", "bf16", "fp8", "int8", "fp4", "fp16_fp16acc"}
VENDORS = {"NVIDIA", "AMD", "Intel", "Apple", "Google", "AWS"}
KINDS = {"discrete", "laptop", "unified", "accelerator"}


def test_at_least_150_rows():
    assert len(ROWS) >= 150


def test_ids_are_unique_and_well_formed():
    assert len(set(IDS)) == len(IDS)
    for identity in IDS:
        assert identity == identity.lower()
        assert identity.replace("-", "").isalnum()


@pytest.mark.parametrize(("line", "row"), list(zip(LINES, ROWS, strict=True)), ids=IDS)
def test_row_has_the_documented_keys(line, row):
    assert line.startswith(f'{{"id": "{row["id"]}",'), "a look-up by id relies on this beginning"
    assert set(row) >= ALWAYS
    assert set(row) <= ALWAYS | SOMETIMES
    assert len(row["source"]) >= 10
    assert ("visible" in row) == ("visible_source" in row)
    assert ("link" in row) == ("link_gb_per_s" in row) == ("link_joins" in row)
    assert set(row["tflops"]) <= TYPES
    assert row["memory"].endswith(("GiB", "GB"))


@pytest.mark.parametrize("card", CARDS, ids=IDS)
def test_row_is_plausible(card: Card):
    assert card.vendor in VENDORS
    assert card.kind in KINDS
    assert 2015 <= (card.launch_year or 0) <= 2027
    assert 6 * GIB <= card.marketed_memory <= 512 * GIB
    assert card.bandwidth is not None
    assert 60 * GB <= card.bandwidth <= 10 * TB
    assert card.watts is None or 20 <= card.watts <= 1500
    assert card.link_bandwidth is None or 100 * GB <= card.link_bandwidth <= 2000 * GB
    assert card.link_joins is None or card.link_joins >= 2
    for kind, rate in card.dense_flops:
        assert TB <= rate <= 20_000 * TB, kind


@pytest.mark.parametrize("card", CARDS, ids=IDS)
def test_totals_shrink_from_box_to_driver_to_program(card: Card):
    if card.driver_total_bytes is not None:
        assert 0.9 * card.marketed_memory <= card.driver_total_bytes <= card.marketed_memory
    if card.visible_bytes is not None and card.driver_total_bytes is not None:
        assert card.visible_bytes <= card.driver_total_bytes
    if card.visible_bytes is not None:
        assert card.visible_bytes <= card.marketed_memory or card.notes


@pytest.mark.parametrize("card", CARDS, ids=IDS)
def test_wider_types_are_not_faster(card: Card):
    rates = dict(card.dense_flops)
    for wide, narrow in (("fp32", "tf32"), ("bf16", "fp8"), ("fp8", "fp4")):
        if wide in rates and narrow in rates and not card.notes:
            assert rates[wide] <= rates[narrow] * 1.01


def test_aliases_belong_to_one_card_and_are_no_other_id():
    owner: dict[str, str] = {}
    for row in ROWS:
        for name in (row["id"], row["name"], *row.get("aliases", ())):
            assert owner.setdefault(name_key(name), row["id"]) == row["id"], name
    assert all(owner)


def test_every_common_name_means_exactly_one_card():
    own = {name_key(name) for row in ROWS for name in (row["id"], *row.get("aliases", ()))}
    common = {name_key(name) for row in ROWS for name in row.get("common", ())}
    default = [name_key(name) for row in ROWS for name in row.get("default_for", ())]
    assert sorted(default) == sorted(common - own)
    for row in ROWS:
        assert set(row.get("default_for", ())) <= set(row.get("common", ()))


FACTS = [
    # id, driver MiB, bandwidth GB/s, (type, TFLOP/s), link GB/s, watts
    ("h100-sxm", 81559, 3350, ("bf16", 989), 900, 700),
    ("h200-sxm", 143771, 4800, ("fp8", 1979), 900, 700),
    ("b200-sxm", 183359, 7672, ("fp4", 9000), 1800, 1000),
    ("b300-sxm", 275040, 7750, ("int8", 153.5), 1800, 1100),
    ("gb200", 189471, 8000, ("fp8", 5000), 1800, 1200),
    ("gb300", 284208, 8000, ("fp4", 15000), 1800, 1400),
    ("h20", 97871, 4000, ("bf16", 148), 900, 400),
    ("a100-sxm-80gb", 81920, 2039, ("bf16", 312), 600, 400),
    ("a100-sxm-40gb", 40960, 1555, ("int8", 624), 600, 400),
    ("l40s", 46068, 864, ("fp8", 733), None, 350),
    ("l4", 23034, 300, ("bf16", 121), None, 72),
    ("t4", 15360, 320, ("fp16", 65.1), None, 70),
    ("rtx-4090", 24564, 1008.4, ("bf16", 165.2), None, 450),
    ("rtx-5090", 32607, 1792, ("fp4", 1676), None, 575),
    ("rtx-3090", 24576, 936.2, ("fp16_fp16acc", 142.3), 112.5, 350),
    ("rtx-a6000", 49140, 768, ("bf16", 154.8), 112.5, 300),
    ("mi300x", 196592, 5300, ("bf16", 1307), 896, 750),
    ("tpu-v5e", None, 819, ("bf16", 197), 400, None),
    ("trainium2", None, 2900, ("bf16", 667), None, None),
    ("m3-max-40", None, 400, None, None, None),
]


@pytest.mark.parametrize("fact", FACTS, ids=[fact[0] for fact in FACTS])
def test_facts(fact):
    identity, driver, bandwidth, rate, link, watts = fact
    card = find_card(identity)
    assert card.id == identity
    assert card.driver_total_bytes == (None if driver is None else driver * MIB)
    assert card.bandwidth == round(bandwidth * GB)
    assert card.link_bandwidth == (None if link is None else round(link * GB))
    assert card.watts == watts
    if rate is not None:
        assert card.flops(rate[0]) == round(rate[1] * TB)


def test_unknown_rates_are_none():
    assert find_card("h100-sxm").flops("fp4") is None
    assert find_card("m1").flops("bf16") is None


def test_pcie_rate_is_one_direction_after_line_coding():
    assert find_card("h100-sxm").pcie_bandwidth == 63_015_384_615
    assert find_card("t4").pcie_bandwidth == 15_753_846_154
    assert find_card("gh200-96gb").pcie_bandwidth is None


def test_list_cards_filters():
    assert {card.vendor for card in list_cards(vendor="amd")} == {"AMD"}
    assert all(card.kind == "laptop" for card in list_cards(kind="laptop"))
    big = list_cards(min_memory="141GiB", max_memory=192 * GIB, vendor="NVIDIA")
    assert {card.id for card in big} >= {"h200-sxm", "b200-sxm", "gb200"}
    assert all(141 * GIB <= card.marketed_memory <= 192 * GIB for card in big)
    assert [card.id for card in list_cards(text="4090 laptop")] == ["rtx-4090-laptop"]
    assert list_cards(architecture="hopper", text="pcie")[0].id == "h100-pcie"
    assert list_cards(text="no such card") == ()


@pytest.mark.parametrize("field", ["vendor", "kind", "architecture"])
def test_list_cards_refuses_an_unknown_value(field):
    with pytest.raises(HardwareError, match=rf"no card has {field} 'Voodoo'; known are \w+"):
        list_cards(**{field: "Voodoo"})
