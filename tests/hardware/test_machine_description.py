"""Descriptions of machines: good ones, bad ones, round trips, and links."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.errors import HardwareError, InputError, UnitError
from weighbridge.hardware import find_card, list_cards, machine_of, parse_machine
from weighbridge.units import GB, GIB

IDS = [card.id for card in list_cards()]

GOOD = [
    ("rtx-4090", ["rtx-4090"]),
    ("2xH100", ["h100-sxm"] * 2),
    ("2x h100", ["h100-sxm"] * 2),
    ("2 X h100", ["h100-sxm"] * 2),
    ("2×h100", ["h100-sxm"] * 2),
    ("2*h100", ["h100-sxm"] * 2),
    ("H100:2", ["h100-sxm"] * 2),
    (" H100 : 2 ", ["h100-sxm"] * 2),
    ("02xH100", ["h100-sxm"] * 2),
    ("rtx-4090,rtx-3090", ["rtx-4090", "rtx-3090"]),
    ("rtx-4090; rtx-3090", ["rtx-4090", "rtx-3090"]),
    ("2xH100+1xA100", ["h100-sxm", "h100-sxm", "a100-sxm-80gb"]),
    ("rtx-3090:2,rtx-4090", ["rtx-3090", "rtx-3090", "rtx-4090"]),
    ("2x4090", ["rtx-4090"] * 2),
    ("Ryzen AI Max+ 395", ["ryzen-ai-max-395"]),
    ("2xRyzen AI Max+ 395, RTX 4090", ["ryzen-ai-max-395"] * 2 + ["rtx-4090"]),
    ("A100+40GB", ["a100-sxm-80gb", "40gb"]),
    ("M1 Max 32GB", ["m1-max-32gb"]),
    ("24GiB", ["24gib"]),
    ("2x24 GB", ["24gb"] * 2),
    ("24GB:2", ["24gb"] * 2),
    (["rtx-4090", "2xrtx-3090"], ["rtx-4090", "rtx-3090", "rtx-3090"]),
    ("1024xt4", ["t4"] * 1024),
]


@pytest.mark.parametrize(("text", "devices"), GOOD, ids=[str(good[0]) for good in GOOD])
def test_good(text, devices):
    machine = parse_machine(text)
    assert [card.id for card in machine.devices] == devices
    assert machine.mixed == (len(set(devices)) > 1)
    again = parse_machine(machine.name)
    assert [card.id for card in again.devices] == devices


BAD = [
    ("", HardwareError, "names no card in one place"),
    ("H100,,A100", HardwareError, "names no card in one place"),
    ("H100+", HardwareError, "names no card in one place"),
    ("0xH100", HardwareError, "must be 1 to 1,024"),
    ("H100:0", HardwareError, "must be 1 to 1,024"),
    ("1025xH100", HardwareError, "must be 1 to 1,024"),
    ("9" * 60 + "xH100", HardwareError, "must be 1 to 1,024"),
    ("600xH100,600xH100", HardwareError, "has more than 1,024 devices"),
    ("2xH100:2", HardwareError, "gives the count twice"),
    ("-1xH100", HardwareError, "no card is called '-1xH100'"),
    ("2x", HardwareError, "no card is called '2x'"),
    ("24", HardwareError, "no card is called '24'"),
    ("٢xH100", HardwareError, "no card is called"),
    ("24G", UnitError, "does not say which unit it means"),
    ("2x24g", UnitError, "does not say which unit it means"),
    ("0GiB", HardwareError, "holds nothing"),
    ("99999999TiB", UnitError, "is larger than"),
    ("rtx-4091", HardwareError, "did you mean rtx-4090"),
    ("rtx-4090," * 300, HardwareError, "longer than 2,000 characters"),
    ([], HardwareError, "1 to 1,024 devices, not 0"),
]


@pytest.mark.parametrize(("text", "error", "words"), BAD, ids=[str(bad[0])[:20] for bad in BAD])
def test_bad(text, error, words):
    with pytest.raises(error) as caught:
        parse_machine(text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not str(caught.value).endswith(".")


@given(st.sampled_from(IDS), st.integers(1, 1024), st.booleans())
def test_count_and_id_round_trip(identity, count, after):
    machine = parse_machine(f"{identity}:{count}" if after else f"{count}x{identity}")
    assert len(machine.devices) == count
    assert {card.id for card in machine.devices} == {identity}
    assert machine.name == (identity if count == 1 else f"{count}x{identity}")
    assert parse_machine(machine.name).devices == machine.devices


@given(st.lists(st.tuples(st.sampled_from(IDS), st.integers(1, 8)), min_size=1, max_size=6))
def test_mixed_machines_round_trip(parts):
    machine = parse_machine([f"{count}x{identity}" for identity, count in parts])
    assert parse_machine(machine.name).devices == machine.devices
    assert sum(count for _, count in machine.groups) == len(machine.devices)


@given(st.text(max_size=80))
def test_any_text_is_a_machine_or_one_sentence(text):
    with suppress(InputError):
        assert parse_machine(text).devices


def test_notes_say_what_was_assumed_once():
    machine = parse_machine("2xH100,H100:2,24GiB")
    assert machine.text == "2xH100,H100:2,24GiB"
    assert machine.notes == (
        "H100 is read as h100-sxm; others of that name: h100-pcie, h100-nvl",
        "24GiB is a card of that capacity, all of it usable, speed not known",
    )


def test_a_bare_size_keeps_its_unit():
    assert parse_machine("24GiB").devices[0].marketed_memory == 24 * GIB
    assert parse_machine("24GB").devices[0].marketed_memory == 24 * GB


def test_links():
    assert parse_machine("h100-sxm").link is None
    link = parse_machine("8xh100-sxm").link
    assert (link.kind, link.bytes_per_second) == ("NVLink", 450 * GB)
    assert parse_machine("16xh100-sxm").link.kind == "PCIe"
    mixed = parse_machine("h100-sxm,rtx-4090").link
    assert (mixed.kind, mixed.bytes_per_second) == ("PCIe", 31_507_692_308)
    assert "rtx-4090" in mixed.why
    assert parse_machine("2x24GiB").link.bytes_per_second is None


def test_a_bridge_joins_pairs():
    machine = parse_machine("4xrtx-3090")
    assert machine.link.kind == "PCIe"
    assert machine.link_of([0, 1]).kind == "NVLink"
    assert machine.link_of([2, 3]).kind == "NVLink"
    assert machine.link_of([1, 2]).kind == "PCIe"
    assert machine.link_of([1]) is None


def test_machine_of():
    machine = machine_of([find_card("t4")] * 2, ["a note", "a note"])
    assert (machine.text, machine.notes) == ("2xt4", ("a note",))
    with pytest.raises(HardwareError):
        machine_of([])
