"""Rows by arrays are the plans, to the last digit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.speed.step import both, cube_root
from weighbridge.speed.visited import visited
from weighbridge.study import arrays
from weighbridge.study.evaluate import Stretch, evaluate, numbers_of, one_by_one, why_not
from weighbridge.study.kinds import PLAN_COLUMNS
from weighbridge.study.points import Group, Numbers, groups_of
from weighbridge.study.read import Axis, Study

MODELS = ("llama-3.1-8b", "qwen3-30b-a3b", "gemma-2-9b", "deepseek-v2-lite", "gpt2")
COLUMNS = (*PLAN_COLUMNS, "kv.capacity_tokens")


def study_of(fixed: dict[str, Any], **axes: tuple[int, ...]) -> tuple[Study, Group]:
    made = tuple(Axis((name,), tuple((v,) for v in values)) for name, values in axes.items())
    study = Study("test", "plan", fixed, made, COLUMNS)
    (group,) = groups_of(study, numbers_of(study))
    return study, group


def some(low: int, high: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(st.integers(low, high), min_size=4, max_size=5, unique=True).map(tuple)


@settings(max_examples=12, deadline=None)
@given(
    model=st.sampled_from(MODELS),
    on=st.sampled_from((None, "l40s", "h100-sxm", "2xh100-sxm")),
    contexts=some(2, 40_000),
    users=some(1, 300),
)
def test_contexts_and_users_of_transformers(
    model: str, on: str | None, contexts: tuple[int, ...], users: tuple[int, ...]
) -> None:
    fixed = {"model": model} | ({"on": on} if on else {})
    same(*study_of(fixed, max_model_len=contexts, concurrency=users))


@settings(max_examples=8, deadline=None)
@given(
    engine=st.sampled_from(("vllm", "sglang", "tensorrt-llm")),
    model=st.sampled_from(MODELS[:3]),
    on=st.sampled_from((None, "l40s", "h100-sxm", "2xh100-sxm")),
    prompts=some(1, 4000),
    outputs=some(1, 2000),
    users=some(1, 300),
)
def test_lengths_and_users_of_servers(
    engine: str,
    model: str,
    on: str | None,
    prompts: tuple[int, ...],
    outputs: tuple[int, ...],
    users: tuple[int, ...],
) -> None:
    fixed = {"model": model, "engine": engine, "max_model_len": 5000} | ({"on": on} if on else {})
    same(*study_of(fixed, input_tokens=prompts, output_tokens=outputs, concurrency=users))


def same(study: Study, group: Group) -> None:
    """All rows of the group, those that are refused among them."""
    numbers = Numbers(study)
    reason = why_not(study, group, numbers)
    if reason:
        # One by one is always right; that it is rare is what the next test holds.
        assert "other digits" not in reason
        return
    found = evaluate(study, Stretch(group, 0, group.size, True), numbers)
    plans = one_by_one(study, group, np.arange(group.size))
    for column in COLUMNS:
        assert found[column] == plans[column], column


@pytest.mark.parametrize("engine", arrays.NUMBERS)
@pytest.mark.parametrize("on", [None, "h100-sxm", "2xh100-sxm"])
@pytest.mark.parametrize("model", MODELS[:2])
def test_engines_take_arrays(engine: str, on: str | None, model: str) -> None:
    fixed = {"model": model, "engine": engine, "max_model_len": 4096} | ({"on": on} if on else {})
    study, group = study_of(fixed, input_tokens=tuple(range(1, 2000, 400)),
                            concurrency=(1, 2, 9, 30))  # fmt: skip
    assert why_not(study, group, Numbers(study)) == ""


def test_what_takes_no_arrays_is_planned_one_by_one() -> None:
    fixed = {"model": "llama-3.1-8b", "engine": "llama.cpp", "on": "rtx-4090"}
    study, group = study_of(fixed, max_model_len=(512, 1024, 2048, 4096), concurrency=(1, 2, 3, 4))
    assert why_not(study, group, Numbers(study)) == "llama.cpp settles each request by itself"
    fixed = {"model": "llama-3.1-8b", "on": "h100-sxm"}
    study, group = study_of(
        fixed, max_model_len=(9, 10**8), concurrency=tuple(range(9, 10**9, 10**8))
    )
    # More than 63 bits hold: the corners tell, and no row is wrong.
    assert "other digits" in why_not(study, group, Numbers(study))


@given(st.floats(1e-12, 1e6), st.floats(1e-12, 1e6))
def test_two_times_that_overlap(memory: float, arithmetic: float) -> None:
    exact = (memory**3 + arithmetic**3) ** (1 / 3)
    assert both(memory, arithmetic) == pytest.approx(exact, rel=1e-14)
    pair = both(np.array([memory, arithmetic]), np.array([arithmetic, memory])).tolist()
    assert pair == [both(memory, arithmetic), both(arithmetic, memory)]
    assert both(0.0, 0.0) == 0


def test_the_cube_root_is_one_to_the_last_digits() -> None:
    numbers = np.linspace(1, 2, 10_001)
    found = cube_root(numbers)
    assert np.abs(found - np.cbrt(numbers)).max() <= 4.5e-16
    assert found.tolist() == [cube_root(each) for each in numbers.tolist()]


@given(st.integers(1, 8), st.integers(8, 512), st.lists(st.integers(1, 10**6), min_size=2))
def test_visited_experts(top_k: int, experts: int, tokens: list[int]) -> None:
    single = [visited(top_k, experts, each) for each in tokens]
    assert visited(top_k, experts, np.array(tokens)).tolist() == single
    assert visited(top_k, experts, np.array(tokens) * 1.0).tolist() == single
    halves = [each + 0.5 for each in tokens]
    assert visited(top_k, experts, np.array(halves)).tolist() == [
        visited(top_k, experts, each) for each in halves
    ]
