"""What is recommended fits and keeps to what was asked, and who lost did lose, when planned."""

from __future__ import annotations

import json
from math import inf
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import weighbridge as wb
from weighbridge.cli import main
from weighbridge.errors import InputError
from weighbridge.launch import read_command
from weighbridge.model.load import load_model
from weighbridge.planner import Plan, plan_request
from weighbridge.request import make_request
from weighbridge.search.candidates import ENGINES, candidates, rigs_named
from weighbridge.search.choice import ALIKE, Choice, middle
from weighbridge.search.losers import beats
from weighbridge.search.pace import Paces, estimate_of
from weighbridge.search.recommend import Recommendation
from weighbridge.search.wishes import read_wish
from weighbridge.show.recommend import command_of

MODELS = ("llama-3.1-8b", "gemma-3-4b", "qwen3-30b-a3b", "gpt-oss-20b", "deepseek-v2-lite")
CARDS = ("rtx-4090", "2xl4", "h100-sxm:2", "rtx-3060-12gb,2xrtx-3090", "mi300x", "m3-max-40")


def again(choice: Choice) -> Plan:
    """The choice planned from its request alone, as ``weigh plan`` would."""
    asked = {k: v for k, v in choice.request.to_dict().items() if v is not None}
    return plan_request(make_request(asked.pop("model"), asked))


def keeps(choice: Choice, asked: dict[str, Any]) -> bool:
    cost = choice.cost
    return (
        choice.plan.fits is True
        and choice.pace.tpot <= asked.get("tpot", inf)
        and choice.pace.ttft <= asked.get("ttft", inf)
        and (choice.watts or 0) <= asked.get("power", inf)
        and (cost is None or cost[0] <= asked.get("price_per_hour", inf))
    )


def recommended(model: str, **asked: Any) -> Recommendation:
    found = wb.recommend(model, **asked)
    assert isinstance(found, Recommendation)
    return found


def check(found: Recommendation, asked: dict[str, Any]) -> None:
    for choice in found.front:
        assert keeps(choice, asked)
        plan = again(choice)
        assert plan.fits is True
        assert plan.verdict == choice.plan.verdict
        assert plan.total == choice.plan.total
        assert estimate_of(plan) == choice.pace
        others = [other for other in found.front if other.candidate != choice.candidate]
        assert not [other for other in others if beats(other, choice)]
    front = {choice.candidate for choice in found.front}
    assert {choice.candidate for choice in found.listed} <= front
    for loser in found.losers:
        check_loser(found, loser, asked)


def check_loser(found: Recommendation, loser: Any, asked: dict[str, Any]) -> None:
    choice, wish = loser.choice, found.wish
    if loser.why == "refused":
        assert choice is None
        return
    plan = again(choice)
    assert plan.total == choice.plan.total
    assert (plan.fits is not True) == (loser.why == "memory")
    if loser.why == "tpot":
        assert choice.pace.tpot > wish.tpot
    elif loser.why == "ttft":
        assert choice.pace.ttft > wish.ttft
    elif loser.why == "power":
        assert choice.watts > wish.power
    elif loser.why == "price":
        assert choice.cost[0] > asked["price_per_hour"]
    elif loser.why == "beaten":
        other = loser.against
        assert other.candidate in {each.candidate for each in found.front}
        assert other.candidate != choice.candidate
        assert middle(other.cost) <= middle(choice.cost)
        assert other.quality <= choice.quality
        assert other.pace.tpot <= choice.pace.tpot * ALIKE
    elif loser.why == "trade":
        assert keeps(choice, {k: v for k, v in wish._asdict().items() if v is not None})


@given(
    model=st.sampled_from(MODELS),
    on=st.sampled_from(CARDS),
    context=st.sampled_from((2048, 8192, 16384)),
    concurrency=st.sampled_from((1, 4, 32)),
    tpot=st.sampled_from((0.01, 0.03, 0.1, 1.0)),
    limits=st.sampled_from(({}, {"power": 500}, {"ttft": 2.0}, {"least_bits": 3})),
)
@settings(max_examples=8, deadline=None)
def test_every_choice_fits_and_keeps_to_what_was_asked(
    model: str, on: str, context: int, concurrency: int, tpot: float, limits: dict[str, Any]
) -> None:
    asked = {"tpot": tpot, **limits}
    check(recommended(model, on=on, context=context, concurrency=concurrency, **asked), asked)


def test_over_the_whole_table_with_a_price() -> None:
    asked = {"price_per_hour": 3.0, "tpot": 0.05}
    found = recommended("llama-3.1-8b", engine="vllm,llama.cpp", concurrency=8, **asked)
    assert len(found.front) > 3
    check(found, asked)
    costs = [middle(choice.cost) for choice in found.listed]
    assert costs == sorted(costs)
    assert found.left_out["machine: dearer than asked to rent"] > 0
    assert found.left_out["machine: no rent price known"] > 0
    rigs = [choice.candidate.rig.name for choice in found.listed]
    assert len(set(rigs)) == len(rigs), "one for each rig, as long as there are others"


@pytest.mark.parametrize("model", ["llama-3.1-8b", "gpt-oss-20b"])
def test_nothing_on_a_card_is_better_than_the_front(model: str) -> None:
    """All candidates of a card planned: none that keeps to the wish beats the front."""
    asked = {"on": "1xrtx-4090", "engine": "vllm,sglang", "concurrency": 2, "tpot": 0.05}
    found = recommended(model, **asked)
    (rig,) = rigs_named("1xrtx-4090")
    seen = 0
    for each in candidates(rig, ("vllm", "sglang"), "auto", "auto", 2, found.model):
        base = found.request.deployment._replace(on=None)
        request = found.request._replace(deployment=each.deployment(base, 2))
        try:
            plan = plan_request(request, found.model)
        except InputError:
            continue
        pace = estimate_of(plan)
        if plan.fits is not True or pace is None or pace.tpot > 0.05:
            continue
        seen += 1
        bits = 8.0 if each.cache == "fp8" else 16.0
        assert any(
            other.candidate == each
            or (
                other.pace.tpot <= pace.tpot * ALIKE
                and (other.cache_bits >= bits or other.level < _level(found, each.weights))
            )
            for other in found.front
        )
    assert seen


def _level(found: Recommendation, weights: str) -> int:
    order = {"auto": 0, "fp8-dynamic": 2, "w8a8": 2, "nvfp4-ct": 5, "w4a16": 6}
    return order[weights]


@pytest.mark.parametrize("model", ["llama-3.1-8b", "deepseek-v2-lite", "gemma-3-4b"])
@pytest.mark.parametrize("on", ["1xrtx-4090,2xrtx-4090", "4xh100-sxm"])
def test_estimates_are_those_of_the_plan_and_bounds_hold(model: str, on: str) -> None:
    """An estimate is the plan's own, and what is left out by its bound does not fit."""
    request, _, _ = read_wish(model, {"context": 4096, "output_tokens": 64, "concurrency": 24})
    facts = load_model(model)
    paces = Paces(request, facts)
    seen = 0
    for rig in rigs_named(on):
        for each in list(candidates(rig, ENGINES, "auto", "auto", 24, facts))[::5]:
            deployment = each.deployment(request.deployment._replace(on=None), 24)
            try:
                plan = plan_request(request._replace(deployment=deployment), facts)
            except InputError:
                continue
            seen += 1
            assert paces.estimate(each) == estimate_of(plan)
            if paces.least(each) > rig.card.usable.high:
                assert plan.fits is False
    assert seen > 5


def test_what_one_owns_costs_nothing_and_is_all_that_is_searched() -> None:
    found = recommended("qwen3-8b", owned="2xrtx-3090,rtx-4090", concurrency=2)
    check(found, {})
    assert {choice.candidate.rig.name for choice in found.front} <= {
        "rtx-3090", "2xrtx-3090", "rtx-4090"
    }  # fmt: skip
    assert all(choice.cost == (0.0, 0.0) for choice in found.front)
    assert any("different kinds" in each for each in found.assumptions)


@pytest.mark.parametrize(
    ("by", "key"),
    [
        ("speed", lambda choice: choice.pace.tpot),
        ("quality", lambda choice: choice.quality),
        ("tokens", lambda choice: middle(choice.per_million)),
        ("cost", lambda choice: middle(choice.cost)),
    ],
    ids=["speed", "quality", "tokens", "cost"],
)
def test_the_first_of_the_list_is_the_first_by_what_was_asked(by: str, key: Any) -> None:
    found = recommended("llama-3.1-8b", on="rtx-4090,l40s", engine="vllm", by=by, concurrency=4)
    assert key(found.listed[0]) == min(map(key, found.front))


def test_a_file_of_prices_decides(tmp_path: Path) -> None:
    file = tmp_path / "own.jsonl"
    row = {"card": "h100-sxm", "kind": "rent", "low": 0.01, "high": 0.02, "date": "2026-11-01"}
    file.write_text(json.dumps(row), encoding="utf-8")
    asked: dict[str, Any] = {"on": "h100-sxm,rtx-4090", "engine": "vllm"}
    before = recommended("llama-3.1-8b", **asked)
    after = recommended("llama-3.1-8b", prices=str(file), **asked)
    assert before.listed[0].candidate.rig.name == "rtx-4090"
    assert after.listed[0].candidate.rig.name == "h100-sxm"
    assert after.listed[0].cost == (0.01, 0.02)


def test_a_purchase_is_compared_by_what_cards_sell_for() -> None:
    found = recommended("qwen3-8b", on="rtx-4090,rtx-5090,h100-sxm", purchase_price=5000)
    assert found.wish.kind == "purchase"
    for choice in found.front:
        assert choice.price is not None
        assert choice.price.kind == "purchase"
        assert choice.cost is not None
        assert choice.cost[0] <= 5000
        assert choice.per_million is None


@pytest.mark.parametrize("engine", ["vllm", "sglang", "tensorrt-llm", "llama.cpp"])
def test_the_command_starts_that_engine(engine: str) -> None:
    found = recommended("llama-3.1-8b", on="2xrtx-4090", engine=engine, concurrency=2)
    choice = found.listed[0]
    command = command_of(choice)
    words = [line for line in command.splitlines() if line and not line.startswith("#")]
    if engine != "tensorrt-llm":  # which writes a file before it
        text = " ".join(word.rstrip("\\") for word in words)
        assert read_command(text.split()).engine == engine
    assert choice.plan.verdict.because in command


def test_the_command_of_llama_cpp_has_room_for_all_users() -> None:
    found = recommended("llama-3.1-8b", on="1xrtx-4090", engine="llama.cpp", concurrency=3)
    choice = found.listed[0]
    words = command_of(choice).splitlines()[-1].split()
    assert words[words.index("-np") + 1] == "3"
    assert words[words.index("-c") + 1] == str(3 * 8192)


def test_lengths_alone_are_a_context_of_both_together() -> None:
    asked = {"on": "1xrtx-4090", "engine": "llama.cpp", "input_tokens": 1000, "output_tokens": 24}
    found = recommended("llama-3.1-8b", **asked)
    assert found.request.deployment.max_model_len == 1024
    assert found.listed[0].plan.context == 1024


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"tensor_parallel_size": 2}, "looks for what is best"),
        ({"engine": "transformers"}, "is not searched"),
        ({"tpot": 0}, "nothing keeps to"),
        ({"tpot": "soon"}, "not a number"),
        ({"by": "beauty"}, "not one of"),
        ({"owned": "t4", "on": "l4"}, "give one of them"),
        ({"owned": "h9000"}, "no card is called"),
        ({"on": "h100+a100"}, "mixes cards"),
        ({"context": 512, "output_tokens": 600}, "no room for a prompt"),
        ({"wish": 1}, "looks for what is best"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_meant_is_one_sentence(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        wb.recommend("llama-3.1-8b", **asked)


def test_what_does_not_generate_is_not_served() -> None:
    with pytest.raises(InputError, match="does not generate"):
        wb.recommend("bge-m3", on="t4")


def test_as_json_and_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["recommend", "qwen3-8b", "--on", "rtx-4090,t4", "--engine", "vllm"]
    assert main([*words, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["schema"] == 1
    first = made["recommended"][0]
    assert {"on", "engine", "weights", "seconds_per_token", "reasons", "command"} <= set(first)
    assert "vllm serve Qwen/Qwen3-8B" in first["command"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "1. " in out
    assert "$ vllm serve" in out
    assert "lost" in out
    assert "searched" in out


def test_nothing_is_exit_code_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recommend", "llama-3.1-405b", "--on", "1xt4"]) == 1
    assert "nothing that was searched" in capsys.readouterr().out


def test_the_front_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "front.svg"
    words = ["recommend", "gpt2", "--on", "l4", "--engine", "vllm", "--plot"]
    assert main([*words, str(path)]) == 0
    start = path.read_bytes()[:300]
    assert b"<svg" in start or b"<?xml" in start
