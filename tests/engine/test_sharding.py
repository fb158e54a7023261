"""What one rank holds: against ranks that vLLM built itself, and properties of any cut."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from weighbridge.engine.layout import Layout
from weighbridge.engine.sharding import (
    check_layout,
    elements,
    rank_parameters,
    shard,
    stage_layers,
)
from weighbridge.errors import RequestError
from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families import read_model
from weighbridge.model.load import load_model

TRUTH = Path(__file__).parent.parent / "truth"


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (TRUTH / name).read_text(encoding="utf-8").splitlines()]


CONFIGS = {row["model"]: row["config"] for row in lines("engines_alone_configs.jsonl")}

# vLLM holds the router's correction of each expert as a parameter, which is a buffer elsewhere.
CORRECTIONS = {"deepseek-v3": 58 * 256}


def facts(name: str) -> Model:
    return read_model(Config(CONFIGS[name], name)) if name in CONFIGS else load_model(name)


def built() -> list[dict[str, Any]]:
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for row in lines("vllm_oracle.jsonl"):
        if "error" not in row and row["weights"] == "bf16":
            found[row["model"], row["asked"].get("tensor_parallel_size", 1)] = row
    return list(found.values())


@pytest.mark.parametrize(
    "row", built(), ids=lambda r: f"{r['model']} tp{r['asked'].get('tensor_parallel_size', 1)}"
)
def test_a_rank_holds_what_vllm_builds(row: dict[str, Any]) -> None:
    layout = Layout(tensor=row["asked"].get("tensor_parallel_size", 1))
    ours = elements(rank_parameters(facts(row["model"]), layout))
    assert ours + CORRECTIONS.get(row["model"], 0) == row["parameters"]


def test_seventy_billion_over_four_ranks() -> None:
    model = load_model("llama-3.1-70b")
    assert elements(rank_parameters(model, Layout(tensor=4))) == 17_639_415_808


@pytest.mark.parametrize(
    "name", ["llama-3.1-8b", "qwen3-30b-a3b", "deepseek-v3", "gpt-oss-20b", "phi-2", "falcon-7b"]
)
def test_one_rank_holds_the_whole_model(name: str) -> None:
    model = load_model(name)
    assert elements(rank_parameters(model, Layout())) - model.parameters < 64 * model.hidden * 2


@pytest.mark.parametrize("name", ["llama-3.1-8b", "qwen3-30b-a3b", "granite-4.0-h-small"])
@pytest.mark.parametrize("stages", [1, 2, 3, 5])
def test_the_stages_hold_the_whole_model_together(name: str, stages: int) -> None:
    model = load_model(name)
    layout = Layout(pipeline=stages)
    whole = sum(elements(rank_parameters(model, layout, stage)) for stage in range(stages))
    again = sum(p.elements for p in model.outer if p.role == "embedding")
    spare = again if model.tied and stages > 1 else 0
    assert whole == elements(rank_parameters(model, Layout())) + spare


@pytest.mark.parametrize("tensor", [2, 4, 8])
@pytest.mark.parametrize("name", ["llama-3.1-70b", "mixtral-8x7b", "qwen2.5-72b-instruct"])
def test_a_cut_loses_nothing(name: str, tensor: int) -> None:
    model = load_model(name)
    piece = elements(rank_parameters(model, Layout(tensor=tensor)))
    assert piece * tensor >= model.parameters
    small = sum(p.elements * n for p, n in model.every_parameter() if p.role in {"norm", "router"})
    assert piece * tensor <= model.parameters + tensor * small + 64 * tensor * model.hidden


def test_experts_are_spread_whole_over_all_replicas() -> None:
    model = load_model("deepseek-v3")
    layout = Layout(tensor=1, data=16, expert=True)
    experts = sum(p.elements * n for p, n in rank_parameters(model, layout) if p.role == "expert")
    whole = sum(p.elements * n for p, n in model.every_parameter() if p.role == "expert")
    assert experts * 16 == whole
    attention = [p for p, _ in rank_parameters(model, layout) if "self_attn.q_b" in p.name]
    assert attention[0].shape[0] == 128 * 192, "attention is whole on each replica"


def test_what_does_not_divide_goes_to_the_stages_before_the_last() -> None:
    assert [len(each) for each in stage_layers(61, 4)] == [15, 15, 16, 15]
    assert [len(each) for each in stage_layers(22, 4)] == [5, 6, 6, 5]
    assert [len(each) for each in stage_layers(3, 2)] == [2, 1]


def test_the_vocabulary_is_padded() -> None:
    model = load_model("gpt2")
    embedding = next(p for p in model.outer if p.role == "embedding" and p.shape[0] == 50257)
    from weighbridge.engine.sharding import Frame

    assert shard(embedding, Frame(Layout(tensor=2), model.hidden)).shape[0] == 50304 // 2


@pytest.mark.parametrize(
    ("name", "layout", "said"),
    [
        ("gpt2", Layout(tensor=5), "12 attention heads .* use --tensor-parallel-size 4"),
        ("llama-3.1-8b", Layout(tensor=3), "32 attention heads .* use --tensor-parallel-size 2"),
        ("llama-3.1-8b", Layout(pipeline=64), "32 layers, which cannot be cut into 64"),
        (
            "phi-3-medium-4k-instruct",
            Layout(tensor=4),
            "10 KV heads .* use --tensor-parallel-size 2",
        ),
    ],
)
def test_an_impossible_layout_is_refused(name: str, layout: Layout, said: str) -> None:
    with pytest.raises(RequestError, match=said) as caught:
        check_layout(load_model(name), layout)
    assert "\n" not in str(caught.value)


def test_every_linear_layer_of_the_catalogue_is_cut_or_known_to_be_whole() -> None:
    """No rule may leave a large matrix on every rank unseen."""
    for name in ("gemma-3-27b-it", "qwen3-next-80b-a3b-instruct", "glm-4.5-air", "phi-4",
                 "granite-4.0-h-tiny", "minimax-m2", "bloom-7b1", "starcoder2-15b"):  # fmt: skip
        model = load_model(name)
        two = elements(rank_parameters(model, Layout(tensor=2)))
        assert two / model.parameters < 0.54, name
