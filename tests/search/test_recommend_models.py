"""Models that are said to run well on a card do so when they are planned."""

from __future__ import annotations

import json
from typing import Any

import pytest

import weighbridge as wb
from weighbridge.cli import main
from weighbridge.errors import InputError
from weighbridge.search.models import Shelf, free_share, usual_engine
from weighbridge.search.pace import estimate_of


def shelf(**asked: Any) -> Shelf:
    found = wb.recommend(**asked)
    assert isinstance(found, Shelf)
    return found


@pytest.mark.parametrize(
    "asked",
    [
        {"on": "rtx-4090", "text": "qwen3"},
        {"on": "2xl4", "text": "llama", "concurrency": 4, "margin": 0.3},
        {"on": "m3-max-40", "text": "gemma-3", "tokens_per_second": 25},
        {"on": "rtx-3060-12gb", "text": "mistral", "engine": "llama.cpp", "context": 4096},
    ],
    ids=lambda asked: asked["on"],
)
def test_every_model_fits_with_its_margin_and_is_fast_enough(asked: dict[str, Any]) -> None:
    found = shelf(**asked)
    rows = [row for group in found.groups.values() for row in group]
    assert rows
    for row in rows:
        request = {k: v for k, v in row.request.to_dict().items() if v is not None}
        plan = wb.plan(request.pop("model"), **request)
        assert plan.fits is True
        assert free_share(plan) == row.free >= found.limits.margin
        assert estimate_of(plan) == row.pace
        assert row.pace.tpot * found.limits.tokens_per_second <= 1
        assert asked["text"] in row.id.lower()


def test_groups_are_short_and_newest_first() -> None:
    found = shelf(on="rtx-4090", text="qwen", most=2)
    for group in found.groups.values():
        assert len(group) <= 2
        released = [row.released for row in group]
        assert released == sorted(released, reverse=True)
    assert found.left_out["not looked at: the group is full"] > 0


def test_a_stricter_margin_keeps_no_more() -> None:
    loose = shelf(on="l4", text="llama-3", most=100)
    strict = shelf(on="l4", text="llama-3", most=100, margin=0.5)
    names = {row.id for group in loose.groups.values() for row in group}
    assert {row.id for group in strict.groups.values() for row in group} <= names


@pytest.mark.parametrize(
    ("card", "engine"), [("h100-sxm", "vllm"), ("v100-sxm-32gb", "llama.cpp"), ("m4", "llama.cpp"),
                         ("rx-7900-xtx", "llama.cpp"), ("mi300x", "vllm")],
)  # fmt: skip
def test_the_engine_is_one_that_runs_there(card: str, engine: str) -> None:
    assert usual_engine(wb.find_card(card)) == engine


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "name a model, or a card"),
        ({"on": "t4", "tpot": 1}, "is asked of one model"),
        ({"on": "t4", "engine": "vllm,sglang"}, "name one engine"),
        ({"on": "t4", "most": 0}, "nothing keeps to"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_one_sentence(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        wb.recommend(**asked)


def test_as_json_and_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["recommend", "--on", "rtx-4090", "--text", "qwen3-8b"]
    assert main([*words, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["schema"] == 1
    assert made["groups"][0]["models"][0]["id"].startswith("Qwen/Qwen3-8B")
    assert main(words) == 0
    assert "Qwen/Qwen3-8B" in capsys.readouterr().out
    assert main(["recommend", "--on", "rtx-2060", "--text", "405b"]) == 1
