"""What quantization costs: the published table, and the order that is made of it."""

from __future__ import annotations

import pytest

from weighbridge.formats import find_format
from weighbridge.formats.cache import find_cache_format
from weighbridge.formats.quality import (
    NEAR,
    Published,
    cost_of,
    cost_of_cache,
    family_of,
    kindred,
    levels,
    published,
)
from weighbridge.model.load import load_model

OURS = ("bf16", "fp8-dynamic", "w8a8", "w4a16", "nvfp4-ct", "q8_0", "q6_k", "q5_k_m", "q4_k_m")


def bits_of(name: str) -> float:
    return find_format(name).bits_per_weight


BITS = {name: bits_of(name) for name in OURS}


@pytest.mark.parametrize("row", published(), ids=lambda row: f"{row.model}-{row.format}")
def test_a_row_names_a_known_format_and_its_source(row: Published):
    known = find_format if row.kind == "weights" else find_cache_format
    assert known(row.format).name == row.format
    assert len(row.source) >= 15
    assert row.better in {"lower", "higher"}
    assert row.base > 0
    assert row.value > 0
    assert -2 < row.percent < 1000, "more than this is no rounding of a benchmark"
    assert row.metric
    assert (row.family == "") == (row.kind == "kv_cache")


def test_a_metric_is_read_one_way():
    ways: dict[str, set[str]] = {}
    for row in published():
        ways.setdefault(row.metric, set()).add(row.better)
    assert all(len(way) == 1 for way in ways.values())


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("meta-llama/Meta-Llama-3-8B", "llama-3"),
        ("llama-3.3-70b", "llama-3"),
        ("Qwen/Qwen2.5-7B-Instruct", "qwen2.5"),
        ("Qwen/Qwen2-7B", "qwen2"),
        ("Qwen/Qwen3-8B", ""),
        ("7B", ""),
    ],
    ids=lambda value: value or "none",
)
def test_a_family_is_that_of_the_longest_name(name: str, family: str):
    assert family_of(name) == family


def test_known_figures():
    eight = load_model("llama-3.1-8b")
    rows = kindred(eight.id, eight.parameters)
    (cost,) = (row for row in cost_of("q4_k_m", rows) if row.metric.startswith("perplexity"))
    assert round(cost.percent, 2) == 2.82, "6.9593 for 6.7684 of f16"
    assert cost_of_cache("q8_0")[0].percent < 0.1
    assert cost_of("nf4", rows) == ()


@pytest.mark.parametrize("name", ["llama-3.1-8b", "llama-3.1-405b", "qwen3-8b", "llama-2-7b"])
def test_only_a_near_size_of_the_same_family_says_something(name: str):
    model = load_model(name)
    for row in kindred(model.id, model.parameters):
        assert row.family == family_of(model.id)
        assert 1 / NEAR <= row.billions * 1e9 / model.parameters <= NEAR


@pytest.mark.parametrize("name", ["llama-3.1-8b", "llama-3.1-70b", "qwen3-8b"])
def test_the_order_follows_bits_and_within_a_table_its_figures(name: str):
    model = load_model(name)
    places = levels(BITS, model)
    assert set(places) == set(OURS)
    assert places["bf16"] == 0
    rows = kindred(model.id, model.parameters)
    tables = {row.table for row in rows}
    told = {
        table: {row.format: row.percent for row in rows if row.table == table} for table in tables
    }
    largest = max((t for t in told.values()), key=lambda t: len(set(t) & set(OURS)), default={})
    for one in OURS:
        for other in OURS:
            if one in largest and other in largest and largest[one] < largest[other]:
                assert places[one] <= places[other]
            elif one not in largest and other not in largest and bits_of(one) > bits_of(other) + 1:
                assert places[one] < places[other]


def test_a_table_can_turn_the_order_of_bits_around():
    model = load_model("llama-3.1-8b")
    places = levels({name: bits_of(name) for name in ("q3_k_s", "q4_1", "q4_k_s")}, model)
    assert bits_of("q4_1") > bits_of("q4_k_s")
    assert places["q4_k_s"] < places["q4_1"], "7.05 and 7.26 were measured"
