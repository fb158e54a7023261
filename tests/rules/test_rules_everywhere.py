"""Every rule speaks or is silent, for a reason, on every kind of model."""

from __future__ import annotations

import json
import math
from functools import cache

import pytest

from weighbridge.errors import ConfigError
from weighbridge.model.catalog import rows
from weighbridge.planner import Plan, plan_request
from weighbridge.request import make_request
from weighbridge.rules import RULES, RuleResult, disagreements, rules_for
from weighbridge.rules.result import Ours, relative
from weighbridge.show.rules import rules_to_text

IDS = [rule.id for rule in RULES]
ASSUMED = ("7B", "gpt-3-175B", "1.5T", "350M")
FORMATS = ("fp32", "fp16", "fp8", "int8", "nf4", "nf4-dq", "awq", "gptq", "nvfp4", "q4_k", "iq1_s")


@cache
def planned(model: str, weights: str | None = None) -> Plan:
    return plan_request(make_request(model, {"weights": weights}))


def check(plan: Plan) -> None:
    results = rules_for(plan)
    assert [result.id for result in results] == IDS
    assert disagreements(plan, results) == ()
    for result in results:
        check_result(result)
    assert json.loads(json.dumps([result.to_dict() for result in results], allow_nan=False))
    assert rules_to_text(plan, results, why=True)


def check_result(result: RuleResult) -> None:
    assert result.source
    assert result.near
    assert result.fails
    assert result.ours.bytes >= 0
    if not result.applies:
        assert result.why_not
        assert (result.low, result.high, result.error, result.inside) == (None,) * 4
        return
    assert isinstance(result.low, int)
    assert isinstance(result.high, int)
    assert 0 < result.low <= result.high
    if result.ours.bytes:
        assert result.error is not None
        assert math.isfinite(result.error)
    if not result.is_range and result.ours.bytes:
        assert result.error == (result.low - result.ours.bytes) / result.ours.bytes


@pytest.mark.parametrize("name", [row.id for row in rows()])
def test_every_model_of_the_catalogue(name: str) -> None:
    try:
        plan = planned(name)
    except ConfigError:  # a checkpoint that does not say how its weights are stored
        plan = planned(name, "fp8-tensor")
    check(plan)


@pytest.mark.parametrize("name", ASSUMED)
def test_sizes_that_are_all_that_is_known(name: str) -> None:
    plan = planned(name)
    check(plan)
    found = {result.id: result for result in rules_for(plan)}
    assert found["marketing-size"].bytes == plan.model.parameters * 2
    assert any("borrowed" in sentence for sentence in found["cache-kv-heads"].here)


@pytest.mark.parametrize("weights", FORMATS)
@pytest.mark.parametrize("name", ["llama-3.1-8b", "qwen3-30b-a3b"])
def test_every_kind_of_format(name: str, weights: str) -> None:
    check(planned(name, weights))


@pytest.mark.parametrize("name", ["bert-base-uncased", "all-minilm-l6-v2", "qwen3-embedding-0.6b"])
def test_encoders_have_no_cache_rules(name: str) -> None:
    for result in rules_for(planned(name)):
        if result.id.startswith("cache-"):
            assert not result.applies
        assert not any("the cache alone" in sentence for sentence in result.here)


def test_ids_are_unique_and_every_row_has_its_words() -> None:
    assert len(set(IDS)) == len(IDS)
    for rule in RULES:
        for words in (rule.title, rule.formula, rule.unit, rule.unit_note, rule.near, rule.fails):
            assert words
        assert (
            "https://" in rule.source
            or "arXiv" in rule.source
            or "no single origin" in (rule.source)
        )


def test_ours_are_sums_of_the_plans_terms() -> None:
    plan = planned("llama-2-7b")
    found = {result.id: result.ours for result in rules_for(plan)}
    assert found["serving"].bytes == plan.total
    assert found["parameters-bytes"].bytes == plan.term("weights")
    assert found["cache-kv-heads"].bytes == plan.term("kv_cache")
    assert found["cuda-context"].bytes == plan.term("context")
    parts = plan.term("weights") + plan.term("kv_cache") + found["flat-1gb"].bytes
    assert parts == plan.total


def test_a_figure_that_is_not_the_plans_is_found_out() -> None:
    plan = planned("llama-2-7b")
    first = rules_for(plan)[0]
    wrong = RuleResult(
        **{name: getattr(first, name) for name in RuleResult.__slots__ if name != "ours"},
        ours=Ours(first.ours.what, first.ours.terms, first.ours.bytes + 1),
    )
    assert disagreements(plan, (first,)) == ()
    assert len(disagreements(plan, (wrong,))) == 1


def test_an_error_against_nothing_is_none() -> None:
    assert relative(5, 0) is None
    assert relative(None, 5) is None
    assert relative(0, 5) == -1.0
