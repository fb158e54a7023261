"""A fit's answers fit when they are planned, and one step more does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import weighbridge as wb
from weighbridge.cli import main
from weighbridge.model.load import load_model
from weighbridge.request import make_request
from weighbridge.search.fit import longest_context, most_users

MODELS = ("llama-3.1-8b", "gemma-3-12b", "qwen3-30b-a3b", "mamba-2.8b", "deepseek-v2-lite")
CARDS = ("rtx-4090", "rtx-3060-12gb", "l4", "h100-sxm", "a100-sxm-80gb", "16GiB")


@given(
    model=st.sampled_from(MODELS),
    card=st.sampled_from(CARDS),
    users=st.integers(1, 40),
    weights=st.sampled_from(("auto", "nf4", "fp8")),
)
@settings(max_examples=20, deadline=None)
def test_the_longest_context_fits_and_one_token_more_does_not(
    model: str, card: str, users: int, weights: str
) -> None:
    asked: dict[str, Any] = {"on": card, "concurrency": users, "weights": weights}
    facts = load_model(model)
    reach = longest_context(make_request(model, asked), facts)
    if reach.value:
        assert wb.plan(model, context=reach.value, **asked).fits
    if reach.value != (facts.max_positions or 2**20):
        assert wb.plan(model, context=reach.value + 1, **asked).fits is False


@given(model=st.sampled_from(MODELS), card=st.sampled_from(CARDS), context=st.integers(64, 20_000))
@settings(max_examples=20, deadline=None)
def test_the_most_users_fit_and_one_more_does_not(model: str, card: str, context: int) -> None:
    asked = {"on": card, "context": context}
    reach = most_users(make_request(model, asked), load_model(model))
    if reach.value:
        assert wb.plan(model, concurrency=reach.value, **asked).fits
    assert wb.plan(model, concurrency=reach.value + 1, **asked).fits is False


def test_the_frontier_falls_and_ends_where_one_user_no_longer_fits() -> None:
    found = wb.fit("llama-3.1-8b", on="rtx-4090")
    users = [users for _, users in found.frontier]
    assert users == sorted(users, reverse=True)
    assert found.frontier[-1][0] <= found.context.value
    assert found.frontier[-1][0] * 2 > found.context.value


def test_every_lever_moves_the_context_as_far_as_a_plan_says() -> None:
    found = wb.fit("llama-3.1-8b", on="rtx-4090")
    assert found.levers
    for lever in found.levers:
        asked = {"on": "rtx-4090", **lever.changes}
        assert wb.plan("llama-3.1-8b", context=lever.after, **asked).fits
        assert lever.after > lever.before == found.context.value


def test_what_does_not_fit_at_all_names_the_format_that_would(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["fit", "llama-3.1-70b", "--on", "h100", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["longest_context"]["value"] == 0
    assert found["best_format"] == "fp8"
    assert "too much" in found["longest_context"]["binding"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fit", "llama-3.1-8b"], "add --on"),
        (["fit", "llama-3.1-8b", "--on", "l4", "--isl", "5"], "input-tokens"),
        (["fit", "bge-m3", "--on", "l4"], "does not generate"),
    ],
)
def test_bad_input_gets_one_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_the_text_names_every_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "llama-3.1-8b", "--on", "rtx-4090"]) == 0
    text = capsys.readouterr().out
    for words in ("longest context", "most users", "best format", "--weights nf4", "one more:"):
        assert words in text
