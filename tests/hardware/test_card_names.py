"""Finding a card by any usual spelling, and refusing what is not one."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.errors import HardwareError
from weighbridge.hardware import find_card, list_cards, look_up
from weighbridge.hardware.cards import card_named
from weighbridge.hardware.names import name_key
from weighbridge.units import GIB, MIB

CARDS = list_cards()

SPELLINGS = [
    ("rtx-4090", "rtx-4090"),
    ("RTX 4090", "rtx-4090"),
    ("rtx_4090", "rtx-4090"),
    ("RTX4090", "rtx-4090"),
    ("4090", "rtx-4090"),
    ("NVIDIA GeForce RTX 4090", "rtx-4090"),
    ("  nvidia-rtx-4090 ", "rtx-4090"),
    ("NVIDIA GeForce RTX 4090 Laptop GPU", "rtx-4090-laptop"),
    ("NVIDIA H100 80GB HBM3", "h100-sxm"),
    ("H100 PCIe", "h100-pcie"),
    ("NVIDIA H100 NVL", "h100-nvl"),
    ("NVIDIA A100-SXM4-80GB", "a100-sxm-80gb"),
    ("A100 80GB PCIe", "a100-pcie-80gb"),
    ("NVIDIA A100-PCIE-40GB", "a100-pcie-40gb"),
    ("Tesla T4", "t4"),
    ("Tesla V100-SXM2-32GB", "v100-sxm-32gb"),
    ("NVIDIA GB10", "dgx-spark"),
    ("NVIDIA RTX 6000 Ada Generation", "rtx-6000-ada"),
    ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "rtx-pro-6000-server"),
    ("RTX A6000", "rtx-a6000"),
    ("AMD Instinct MI300X", "mi300x"),
    ("AMD Radeon RX 7900 XTX", "rx-7900-xtx"),
    ("AMD Ryzen AI Max+ 395", "ryzen-ai-max-395"),
    ("Intel(R) Arc(TM) B580 Graphics", "arc-b580"),
    ("Gaudi 3", "gaudi3"),
    ("Cloud TPU v5e", "tpu-v5e"),
    ("Trainium 2", "trainium2"),
    ("Apple M3 Max (40-core GPU)", "m3-max-40"),
    ("apple m2 ultra", "m2-ultra"),
]


@pytest.mark.parametrize(("spelling", "identity"), SPELLINGS, ids=[s[0].strip() for s in SPELLINGS])
def test_spelling(spelling, identity):
    found = look_up(spelling)
    assert found.card.id == identity
    assert found.said is None


AMBIGUOUS = [
    ("H100", "h100-sxm", "h100-pcie"),
    ("h100 80gb", "h100-sxm", "h100-pcie"),
    ("H200", "h200-sxm", "h200-nvl"),
    ("B200", "b200-sxm", None),
    ("A100", "a100-sxm-80gb", "a100-pcie-40gb"),
    ("A100-40GB", "a100-sxm-40gb", "a100-pcie-40gb"),
    ("V100", "v100-sxm-16gb", "v100-sxm-32gb"),
    ("GH200", "gh200-96gb", "gh200-144gb"),
    ("RTX 4060 Ti", "rtx-4060-ti-8gb", "rtx-4060-ti-16gb"),
    ("RTX PRO 6000", "rtx-pro-6000-workstation", "rtx-pro-6000-server"),
    ("M3 Max", "m3-max-40", "m3-max-30"),
    ("M4 Max", "m4-max-40", "m4-max-32"),
]


@pytest.mark.parametrize(("name", "identity", "other"), AMBIGUOUS, ids=[a[0] for a in AMBIGUOUS])
def test_an_ambiguous_name_says_what_it_was_taken_for(name, identity, other):
    found = look_up(name)
    assert found.card.id == identity
    assert found.said is not None
    assert found.said.startswith(f"{name} is read as {identity}")
    assert other is None or other in found.said
    assert not found.said.endswith(".")


MISSES = [
    ("rtx-4091", "rtx-4090"),
    ("h100-sxn", "h100-sxm"),
    ("a100-sxm-60gb", "a100-sxm-80gb"),
    ("radeon 7900 xtxx", "rx-7900-xtx"),
]


@pytest.mark.parametrize(("name", "near"), MISSES)
def test_a_miss_suggests_up_to_three(name, near):
    with pytest.raises(HardwareError) as caught:
        find_card(name)
    message = str(caught.value)
    assert repr(name) in message
    assert f"did you mean {near}" in message
    assert message.count(" or ") <= 2
    assert not message.endswith(".")


@pytest.mark.parametrize("name", ["", " ", "nvidia", "GeForce", "🦆", "x" * 101, "a\nb", '"', "{"])
def test_nonsense_is_refused(name):
    with pytest.raises(HardwareError) as caught:
        find_card(name)
    assert "\n" not in str(caught.value)


def test_no_part_of_a_name_is_enough():
    for name in ("H100x", "RTX", "40", "A10 00", "L40 S extra"):
        with pytest.raises(HardwareError):
            find_card(name)


@given(st.text(max_size=120))
def test_any_text_finds_a_card_or_says_why(name):
    with suppress(HardwareError):
        assert name_key(find_card(name).id)


@given(st.sampled_from(CARDS), st.sampled_from(["-", " ", "_", ""]), st.booleans())
def test_every_id_survives_case_and_separators(card, separator, upper):
    name = card.id.replace("-", separator)
    assert find_card(name.upper() if upper else name).id == card.id


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_every_card_is_found_by_its_own_names(card):
    assert find_card(card.id) == card
    for name in (card.name, f"{card.vendor} {card.name}", *card.aliases):
        assert find_card(name) == card


def test_apple_memory_may_be_given():
    card = find_card("M1 Max 32GB")
    assert (card.id, card.marketed_memory) == ("m1-max-32gb", 32 * GIB)
    assert find_card(card.id) == card
    assert find_card("m1-max-64gb").id == "m1-max"
    assert look_up("M3 Max 64 GB").said == (
        "M3 Max is read as m3-max-40; others of that name: m3-max-30"
    )
    with pytest.raises(HardwareError, match="M1 Max is sold with 8 GiB to 64 GiB, not 96 GiB"):
        find_card("m1-max-96gb")
    with pytest.raises(HardwareError):
        find_card("rtx-4090-48gb")


def test_a_driver_name_is_told_apart_by_memory():
    assert card_named("NVIDIA GeForce RTX 4060 Ti", 16380 * MIB).id == "rtx-4060-ti-16gb"
    assert card_named("NVIDIA GeForce RTX 4060 Ti", 8188 * MIB).id == "rtx-4060-ti-8gb"
    assert card_named("NVIDIA GeForce RTX 3080", 12288 * MIB).id == "rtx-3080-12gb"
    assert card_named("NVIDIA GeForce RTX 3080", 20480 * MIB) is None
    assert card_named("NVIDIA GeForce RTX 4060 Ti") is None
    assert card_named("NVIDIA H200", 143771 * MIB).id == "h200-sxm"
    assert card_named("Matrox G200", 8 * MIB) is None
