"""Placements found: they fit when they are planned, and are no slower than what engines do."""

from __future__ import annotations

import json

import pytest

import weighbridge as wb
from weighbridge.cli import main
from weighbridge.errors import InputError
from weighbridge.launch import read_command, write
from weighbridge.launch.transformers import device_map_text
from weighbridge.search.place.find import Placement, runs
from weighbridge.search.place.llama_fit import Sizes, filled
from weighbridge.search.place.spots import DISK, HOST, Spot
from weighbridge.speed.ask import ask
from weighbridge.units import GB, GIB

SLACK = 1 + 1e-6
CASES = [
    ("transformers", "rtx-3060", "llama-3.1-8b", "bf16", {"host_memory": "32GB"}),
    ("transformers", "rtx-3060", "llama-3.1-8b", "bf16", {"host_memory": "2GB", "disk": True}),
    ("transformers", "rtx-3060,rtx-4060", "phi-4", "bf16", {"host_memory": "64GB"}),
    ("transformers", "rtx-4060,rtx-3060,rtx-4060", "gemma-3-27b-it", "nf4", {}),
    ("transformers", "rtx-3060,rtx-4090", "qwen3-30b-a3b", "bf16", {"host_memory": "64GB"}),
    ("transformers", "2xrtx-3090", "llama-3.2-1b", "bf16", {"concurrency": 8}),
    ("llama.cpp", "rtx-3060", "llama-3.1-8b", "bf16", {"host_memory": "32GB"}),
    ("llama.cpp", "rtx-3060", "llama-3.1-8b", "bf16", {"host_memory": "6GB", "disk": "5GB/s"}),
    ("llama.cpp", "rtx-3060,rtx-4060", "phi-4", "q8_0", {"host_memory": "64GB"}),
    ("llama.cpp", "rtx-4060", "qwen3-30b-a3b", "q4_k_m", {"prefill_weight": 4}),
    ("llama.cpp", "rtx-4060,rtx-3060", "deepseek-v2-lite", "bf16", {}),
    ("llama.cpp", "t4", "gemma-3-12b-it", "q8_0", {"concurrency": 2}),
]


@pytest.fixture(scope="module", params=CASES, ids=lambda c: f"{c[0]}-{c[1]}-{c[2]}-{len(c[4])}")
def found(request: pytest.FixtureRequest) -> Placement:
    engine, on, model, weights, more = request.param
    return wb.place(model, on=on, engine=engine, weights=weights, context=4096, **more)


def test_what_is_found_fits_when_it_is_planned(found: Placement) -> None:
    assert found.best is not None
    assert found.plan is not None
    asked = {k: v for k, v in found.plan.request.to_dict().items() if v is not None}
    again = wb.plan(asked.pop("model"), **asked)
    assert again.fits is True
    assert all(d.total <= (d.usable or 0) for d in again.devices)
    assert found.best.used[-1] <= found.host.memory
    assert found.best.fits


def test_it_is_no_slower_than_what_the_engine_does(found: Placement) -> None:
    assert found.best is not None
    assert found.automatic is not None
    if found.automatic.fits:
        ours = found.weighting.of(found.best.seconds)
        assert ours <= found.weighting.of(found.automatic.seconds) * SLACK


def test_every_block_lies_somewhere_and_gpus_in_order(found: Placement) -> None:
    assert found.best is not None
    spots = found.best.spots
    numbers = [spot.block for spot in spots if spot.block.isdecimal()]
    assert numbers == [str(index) for index in range(len(found.model.layers))]
    homes = [spot.home for spot in spots if spot.home >= 0]
    assert homes == sorted(homes)
    if not found.host.disk:
        assert DISK not in {place for spot in spots for place in (spot.home, spot.moved)}


def test_json_and_text_say_the_same(found: Placement) -> None:
    data = json.loads(json.dumps(found.to_dict()))
    assert data["schema"] == 1
    assert data["fits"] is True
    assert data["placement"]["seconds_per_token"] == found.best.seconds.decode  # type: ignore[union-attr]
    assert len(data["placement"]["blocks"]) == len(found.model.layers) + 2
    text = str(found)
    assert text.startswith("✓")
    for names, home, _ in runs(found.best.spots):  # type: ignore[union-attr]
        assert names in text or home == HOST


@pytest.mark.parametrize("model", ["llama-3.1-8b", "qwen3-30b-a3b", "gemma-3-12b-it"])
def test_on_one_card_the_clock_is_that_of_speed(model: str) -> None:
    options = {"on": "h100", "engine": "llama.cpp", "weights": "q4_k_m", "context": 4096}
    found = wb.place(model, **options)
    assert found.best is not None
    assert all(spot.home == 0 and spot.moved is None for spot in found.best.spots[1:])
    assert found.plan is not None
    speed = ask(found.plan.request).pace  # type: ignore[attr-defined]
    plan = found.plan.speed
    assert plan is not None
    assert found.best.seconds.decode == pytest.approx(plan.pace.decode.seconds, rel=0.01)  # type: ignore[union-attr]
    assert speed.decode.seconds > 0


def test_on_one_card_the_floor_is_that_of_a_plan() -> None:
    found = wb.place("llama-3.1-8b", on="rtx-4090", context=4096)
    assert found.best is not None
    assert found.plan is not None
    decode = found.plan.speed.decode  # type: ignore[union-attr]
    assert found.best.seconds.decode == pytest.approx(decode.seconds, rel=0.005)  # type: ignore[union-attr]


def test_more_memory_or_a_faster_host_is_never_slower() -> None:
    def seconds(**more: object) -> float:
        made = wb.place("llama-3.1-8b", on="rtx-3060", weights="bf16", context=4096, **more)  # type: ignore[arg-type]
        assert made.best is not None
        return made.best.seconds.decode

    small = seconds(host_memory="3GB", disk="3GB/s")
    assert seconds(host_memory="3GB", disk="7GB/s") <= small
    assert seconds(host_memory="16GB", disk="3GB/s") < small
    assert seconds(host_memory="16GB", host_bandwidth="10GB/s") > seconds(host_memory="16GB")


def test_a_prompt_that_counts_changes_what_is_weighed() -> None:
    options = {"on": "rtx-4060", "engine": "llama.cpp", "weights": "bf16", "input_tokens": 4000,
               "output_tokens": 90}  # fmt: skip
    token = wb.place("llama-3.1-8b", **options)
    whole = wb.place("llama-3.1-8b", prefill_weight=4000 / 90, **options)
    assert token.best is not None
    assert whole.best is not None
    assert whole.weighting.of(whole.best.seconds) <= whole.weighting.of(token.best.seconds) * SLACK
    assert token.best.seconds.decode <= whole.best.seconds.decode * SLACK


def test_what_is_written_for_llama_cpp_is_read_as_the_same_plan() -> None:
    found = wb.place("qwen3-30b-a3b", on="rtx-3060,rtx-4060", engine="llama.cpp", weights="q8_0",
                     context=4096)  # fmt: skip
    assert found.plan is not None
    command = write(found.plan, "llama.cpp").splitlines()
    words = " ".join(line.rstrip("\\") for line in command if not line.startswith("#"))
    import shlex

    read = read_command(shlex.split(words))
    for name, value in found.best.options.items():  # type: ignore[union-attr]
        assert str(read.options[name]) == str(value), name


def test_vllm_offloads_no_more_than_it_must() -> None:
    options = {"on": "rtx-4090", "engine": "vllm", "context": 4096}
    found = wb.place("qwen2.5-14b-instruct", host_memory="64GB", **options)
    assert found.best is not None
    away = int(found.best.options["cpu_offload_gb"])
    assert away > 0
    plans = [
        wb.plan("qwen2.5-14b-instruct", cpu_offload_gb=kept, **options) for kept in (away, away - 1)
    ]
    assert [plan.fits for plan in plans] == [True, False]


def test_fit_fills_gpus_from_the_last_and_experts_from_the_first() -> None:
    block = Sizes(10, 2)
    spots = filled([block] * 5, [21, 17])
    assert [(spot.home, spot.moved) for spot in spots[1:]] == [
        (0, None), (0, None), (1, None), (1, HOST), (1, HOST)
    ]  # fmt: skip
    dense = filled([Sizes(10, 10)] * 5, [15, 25])
    assert [spot.home for spot in dense[1:]] == [HOST, HOST, 0, 1, 1]


def test_a_map_of_modules_and_its_limits() -> None:
    found = wb.place("llama-3.1-8b", on="rtx-3060", context=4096, host_memory=64 * GB)
    data = found.to_dict()["placement"]
    written = json.loads(device_map_text(data))
    assert written["device_map"]["model.layers.0"] == 0
    assert set(written["device_map"].values()) == {0, "cpu"}
    assert 0 < written["max_memory"]["0"] < 12 * GIB
    script = write(found.plan, "transformers")
    assert '"model.layers.31": "cpu"' in script
    compile(script, "script", "exec")


REFUSED = [
    ([], "add --on CARD"),
    (["--on", "24GiB"], "bandwidth"),
    (["--on", "rtx-4090", "--engine", "sglang"], "llama.cpp"),
    (["--on", "rtx-4090", "--engine", "llama.cpp", "-ngl", "3"], "leave it out"),
    (["--on", "rtx-4090", "--host-memory", "64G"], "64GB"),
    (["--on", "rtx-4090", "--host-bandwidth", "0GB"], "90GB/s"),
    (["--on", "rtx-4090", "--prefill-weight", "-1"], "prefill_weight"),
    (["--on", "rtx-4090", "--emit", "vllm"], "vllm"),
]


@pytest.mark.parametrize(("arguments", "said"), REFUSED, ids=lambda v: " ".join(v)[:40])
def test_bad_input_is_one_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["place", "llama-3.1-8b", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("engine", ["transformers", "llama.cpp"])
def test_nothing_fits_and_it_says_what_would(
    engine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["place", "qwen2.5-14b-instruct", "--on", "rtx-3060", "--engine", engine,
             "--host-memory", "4GB"]  # fmt: skip
    assert main(words) == 1
    out, _ = capsys.readouterr()
    assert out.startswith("✗")
    assert "--disk" in out
    assert main([*words, "--context", "2048", "--disk", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["placement"]["fits"] is True


@pytest.mark.parametrize(
    "text",
    ["everywhere", "{", "{}", "[1]", '{"model": 7}', '{"model": true}', '{"model.layers.0": 0}'],
)
def test_a_map_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="device_map"):
        wb.plan("llama-3.1-8b", on="rtx-4090", device_map=text)


def test_neighbours_are_said_as_one() -> None:
    spots = (Spot("embedding", 0), *(Spot(str(i), int(i > 3)) for i in range(6)), Spot("head", 1))
    assert runs(spots) == [("embedding, layers 0–3", 0, None), ("layers 4–5, head", 1, None)]
