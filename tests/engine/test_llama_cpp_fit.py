"""``--fit`` over several GPUs: what it lays out has room, and one layer more has none."""

from __future__ import annotations

from typing import Any

import pytest

from weighbridge.engine.llama_cpp import devices_of, fit_devices, settings
from weighbridge.engine.llama_cpp.buffers import Buffers, Gpu, allocate, describe
from weighbridge.engine.llama_cpp.fit_devices import EXPERTS, Filling, Share
from weighbridge.engine.llama_cpp.fitting import fit, largest, leaves
from weighbridge.engine.llama_cpp.settings import Settings
from weighbridge.engine.llama_cpp.versions import parse_version
from weighbridge.engine.llama_cpp.weights import weigh
from weighbridge.hardware.machine import parse_machine
from weighbridge.model.load import load_model
from weighbridge.request import make_request

CASES = [
    ("phi-4", "rtx-3060-12gb,rtx-4060", "bf16"),
    ("qwen3-30b-a3b", "rtx-4060,rtx-3060-12gb", "q4_k_m"),
    ("gpt-oss-20b", "2xrtx-2080", "q8_0"),
    ("gpt-oss-20b", "rtx-4060", "q8_0"),
]


def filling_of(name: str, on: str, weights: str) -> Filling:
    model = load_model(name)
    request = make_request(model.id, {"on": on, "engine": "llama.cpp", "weights": weights})
    asked = request.deployment._replace(max_model_len=4096)
    chosen = settings.settle(asked, model, parse_version("0.5.0"), 4095, 1)
    described = describe(model, weigh(model, weights))
    return Filling(described, chosen, devices_of(parse_machine(on).devices))


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def filling(request: pytest.FixtureRequest) -> Filling:
    return filling_of(*request.param)


def filled(filling: Filling) -> tuple[Settings, Any]:
    return fit(filling.described, filling.settings, filling.gpus)


def test_every_gpu_keeps_its_margin(filling: Filling) -> None:
    chosen, buffers = filled(filling)
    assert leaves(buffers, filling.gpus, chosen.margin)
    assert buffers.total(0) == allocate(filling.described, chosen, filling.gpus).total(0)


def test_a_gpu_takes_as_many_layers_as_it_can(filling: Filling) -> None:
    """Back to front: one layer more on a GPU, those behind it as they are, is too much."""
    layout = filling.back_to_front()
    for device in reversed(range(len(filling.gpus))):
        shares = [*[Share()] * device, *layout.shares[device:]]
        if sum(share.layers for share in shares) > filling.count:
            break
        more = filling._with_layers(filling.layout(shares), device, shares[device].layers + 1)
        assert not filling.fits(more, device)


def test_it_is_never_less_than_one_count_for_all_gpus() -> None:
    """By the sizes of the GPUs, as ``-ngl`` alone would spread them."""
    filling = filling_of(*CASES[0])

    def on_gpus(layers: int) -> Buffers:
        asked = filling.settings._replace(layers=layers)
        return allocate(filling.described, asked, filling.gpus)

    margin = filling.settings.margin
    most = largest(lambda n: leaves(on_gpus(n), filling.gpus, margin), 0, filling.count + 1)
    assert filled(filling)[1].placement.on_gpu >= (most or 0) > 0


def test_experts_come_back_from_the_first_gpu_on() -> None:
    filling = filling_of("qwen3-30b-a3b", "rtx-4060,rtx-3060-12gb", "q4_k_m")
    chosen, buffers = fit_devices.fill(filling.described, filling.settings, filling.gpus)
    assert buffers.placement.on_gpu == filling.count + 1
    assert buffers.placement.layers[0] == 0
    away = {int(pattern.search.pattern.split("\\.")[1]) for pattern in chosen.patterns}
    assert away
    assert max(away) > filling.count // 2
    lean = filling.back_to_front()
    assert sum(buffers.model[:-1]) > sum(filling.buffers(lean.shares).model[:-1])


def test_layers_in_part_are_named_by_pattern() -> None:
    filling = filling_of("qwen3-30b-a3b", "rtx-4060,rtx-3060-12gb", "q4_k_m")
    chosen = filling.settings_of([Share(10, 0), Share(39, 3, EXPERTS)])
    assert (chosen.layers, chosen.shares) == (49, (10.0, 39.0))
    first = 10 + 36
    assert next(p.search.pattern for p in chosen.patterns).startswith(rf"blk\.{first}\.")
    assert {p.target for p in chosen.patterns} == {"CPU"}


def test_nothing_fits_where_nothing_is_free() -> None:
    filling = filling_of(*CASES[0])
    gpus = [Gpu(gpu.kind, gpu.name, 0) for gpu in filling.gpus]
    chosen, buffers = fit(filling.described, filling.settings, gpus)
    assert chosen.layers == 0
    assert buffers.placement.on_gpu == 0
