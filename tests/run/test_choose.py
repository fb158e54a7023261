"""Which format and which placement a run takes, by plans alone, on machines that are pretended."""

from __future__ import annotations

import pytest

from weighbridge.errors import HardwareError, InputError, RequestError
from weighbridge.hardware.host import host_card
from weighbridge.hardware.machine import machine_of, parse_machine
from weighbridge.model.load import load_model
from weighbridge.run.choose import Choice, Refused, choose
from weighbridge.run.here import Room
from weighbridge.run.session import Wanted, prepare
from weighbridge.run.source import source_of
from weighbridge.units import GIB, MIB

MODEL = "llama-3.1-8b"
TOKENS = {"input_tokens": 512, "output_tokens": 64}


def chosen(on: str, host: int = 4 * GIB, *, quantizes: bool = True, **options: str) -> object:
    room = Room(parse_machine(on), host, quantizes)
    return choose(MODEL, load_model(MODEL), room, {**TOKENS, **options})


@pytest.mark.parametrize(
    ("on", "weights"),
    [("h100-sxm", "auto"), ("rtx-4090", "auto"), ("12GiB", "int8"), ("8GiB", "nf4-dq"),
     ("cpu-24GiB", "auto")],
)  # fmt: skip
def test_the_best_quality_that_fits_whole_is_taken(on: str, weights: str) -> None:
    found = chosen(on)
    assert isinstance(found, Choice)
    assert found.weights == weights
    assert found.plan.fits
    assert found.max_memory is None


def test_a_quantized_format_comes_before_host_memory() -> None:
    found = chosen("8GiB", 64 * GIB)
    assert isinstance(found, Choice)
    assert found.weights == "nf4-dq"
    assert [each.weights for each in found.tried] == ["auto", "int8"]


def test_without_bitsandbytes_layers_go_to_host_memory() -> None:
    found = chosen("12GiB", 32 * GIB, quantizes=False)
    assert isinstance(found, Choice)
    assert found.weights == "auto"
    assert found.plan.host is not None
    assert found.max_memory is not None
    assert found.max_memory["cpu"] == 31 * GIB
    assert found.max_memory[0] < 12 * GIB
    assert "host memory" in found.placement


def test_a_small_host_leaves_layers_on_the_disk() -> None:
    found = chosen("cpu-12GiB", 12 * GIB, quantizes=False)
    assert isinstance(found, Choice)
    assert "on disk" in found.placement
    assert found.max_memory is not None
    assert [*found.max_memory] == ["cpu"]
    assert found.plan.total <= 12 * GIB


def test_two_cards_are_balanced() -> None:
    found = chosen("2xrtx-3060")
    assert isinstance(found, Choice)
    assert found.device_map == "auto"


def test_nothing_fits_says_why_and_what_would_help() -> None:
    found = chosen("1GiB", GIB)
    assert isinstance(found, Refused)
    assert "needs" in found.because
    assert found.remedies
    assert all(each.why for each in found.tried)


def test_a_named_format_is_the_only_one_tried() -> None:
    found = chosen("8GiB", GIB, weights="bf16")
    assert isinstance(found, Refused) or found.weights == "bf16"  # type: ignore[attr-defined]


def test_host_memory_is_a_device() -> None:
    card = parse_machine("cpu-16GiB").devices[0]
    assert card == host_card(16 * GIB)
    assert card.usable_bytes == 16 * GIB
    assert parse_machine(machine_of([card]).name).devices[0] == card
    for bad in ("cpu-", "cpu-0GiB", "cpu-16G"):
        with pytest.raises(InputError):
            parse_machine(bad)
    with pytest.raises(HardwareError, match="cpu-16GiB"):
        parse_machine("cpu")


def test_a_host_has_no_cublas_and_no_driver() -> None:
    import weighbridge as wb

    plan = wb.plan("smollm2-135m", on="cpu-8GiB", **TOKENS)
    names = {term.name for term in plan.terms}
    assert "workspace" not in names
    assert plan.term("context") < 500 * MIB
    assert plan.fits


@pytest.mark.parametrize(
    ("options", "said"),
    [({"trust_remote_code": "other/model"}, "is not the model that is run"),
     ({"prompt": ""}, "prompt"), ({"max_new_tokens": 0}, "max_new_tokens")],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(options: dict[str, object], said: str) -> None:
    wanted = {"model": "smollm2-135m", "prompt": "x", "random_weights": True, **options}
    with pytest.raises(RequestError, match=said):
        prepare(Wanted(**wanted), Room(parse_machine("cpu-8GiB"), 8 * GIB, True))  # type: ignore[arg-type]


def test_a_size_and_a_config_have_no_weights() -> None:
    with pytest.raises(InputError, match="--random-weights"):
        source_of("7B", random=False, trusted=None, stored=1)
