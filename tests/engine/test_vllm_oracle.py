"""The block pool and the weights against answers of vLLM 0.32.0's own planner.

The rows were asked on a machine without a GPU, the platform posing as an H100, A100 or L4, or being
the genuine CPU platform. Every row is asked; those with an error are in ``LEFT``, with the reason.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from weighbridge.engine import Question, parse_engine
from weighbridge.engine.vllm.budget import ranks
from weighbridge.engine.vllm.capacity import room, stage_bytes
from weighbridge.engine.vllm.pool import Packing, Placed, Taking, blocks_of_request, build_pool
from weighbridge.engine.vllm.refusal import refusal
from weighbridge.engine.vllm.setup import Setup
from weighbridge.engine.vllm.specs import Form, layer_specs
from weighbridge.engine.vllm.weights import loaded
from weighbridge.formats.cache import find_cache_format
from weighbridge.hardware.cards import find_card
from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families import read_model
from weighbridge.model.load import load_model
from weighbridge.records import replace
from weighbridge.request import make_request, settle_tokens

TRUTH = Path(__file__).parent.parent / "truth"
CARDS = {"h100": "h100-sxm", "a100": "a100-sxm-80gb", "l4": "l4"}

# What the harness could not ask, and the two refusals, by a part of the error.
LEFT = {
    "VLLM_DIST_IDENT": "the harness cannot start several ranks on the CPU platform",
    "No MXFP4 MoE backend": "the CPU platform has no MXFP4 kernel",
    "FP8 KV cache is not supported": "a refusal, tested below",
}


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (TRUTH / name).read_text(encoding="utf-8").splitlines()]


CONFIGS = {row["model"]: row["config"] for row in lines("engines_alone_configs.jsonl")}
ROWS = lines("vllm_oracle.jsonl")
ANSWERED = [row for row in ROWS if "error" not in row]
ON_CARDS = [row for row in ANSWERED if row["mode"] in CARDS]
ON_CPU = [row for row in ANSWERED if row["mode"] == "cpu"]


def label(row: dict[str, Any]) -> str:
    asked = [f"{name}={value}" for name, value in row["asked"].items()]
    return " ".join([row["model"], row["weights"], row["mode"], *asked])


def facts(name: str) -> Model:
    return read_model(Config(CONFIGS[name], name)) if name in CONFIGS else load_model(name)


def settled(row: dict[str, Any]) -> Setup:
    model = facts(row["model"])
    if row["weights"] == "bf16":
        model = replace(model, quantization=None)
    options = row["asked"] | {
        "engine": "vllm==0.32.0",
        "weights": row["weights"],
        "kv_cache_memory": row.get("available_bytes", 20 * 2**30),
        "moe_backend": "marlin",
    }
    request = make_request("model", options)
    tokens = settle_tokens(request, None, generates=True)
    cards = (find_card(CARDS[row["mode"]]),) * row["asked"].get("tensor_parallel_size", 1)
    engine = parse_engine("vllm==0.32.0")
    return Setup(Question(model, engine, request.deployment, tokens, 1, cards))


def test_no_row_is_left_out_without_a_reason() -> None:
    for row in ROWS:
        assert "error" not in row or any(part in row["error"] for part in LEFT), row
    assert len(ON_CARDS) + len(ON_CPU) == len(ANSWERED) > 100


@pytest.mark.parametrize("row", ON_CARDS, ids=label)
def test_blocks_tokens_and_concurrency(row: dict[str, Any]) -> None:
    setup = settled(row)
    assert setup.step == row["max_num_batched_tokens"]
    assert setup.sequences == row["max_num_seqs"]
    page = stage_bytes(setup, 0)
    assert page == row["pool_bytes_per_block"]
    blocks = row["available_bytes"] // page
    held = room(setup, blocks, setup.length)
    assert (held.blocks, held.tokens) == (row["num_blocks"], row["kv_tokens"])
    assert held.concurrency == pytest.approx(row["max_concurrency"], rel=1e-9)
    groups = [(len(each.layers), each.block, each.pages[0]) for each in setup.pool.groups]
    assert sorted(groups) == sorted((g[0], g[2], g[3]) for g in row["groups"])


@pytest.mark.parametrize("row", ON_CPU, ids=label)
def test_the_same_pool_on_the_cpu_platform(row: dict[str, Any]) -> None:
    """Blocks of 128, one step in flight, recurrences in fp32: the rules are the same."""
    model = facts(row["model"])
    latent = "deepseek" in row["model"]
    block = row["asked"].get("block_size", 16 if latent else 128)
    form = Form(find_cache_format(row["asked"].get("kv_cache_dtype", "bf16")), recurrence=4)
    placed = [
        Placed(index, spec)
        for index, layer in enumerate(model.layers)
        for spec in layer_specs(layer, form)
    ]
    pool = build_pool(placed, Packing(block, block))
    taking = Taking(in_flight=row["max_num_batched_tokens"], mode="align", checkpoints=True)
    blocks = row["available_bytes"] // pool.bytes_per_block()
    per_request = blocks_of_request(pool, row["asked"]["max_model_len"], taking)
    assert blocks == row["num_blocks"]
    assert int(blocks / per_request * row["asked"]["max_model_len"]) == row["kv_tokens"]


@pytest.mark.parametrize("row", ON_CARDS, ids=label)
def test_bytes_of_a_rank_before_kernels_repack_them(row: dict[str, Any]) -> None:
    assert loaded(settled(row), 0).bytes == row["parameter_bytes"]


@pytest.mark.parametrize(
    "row", [row for row in ROWS if "FP8 KV cache" in row.get("error", "")], ids=label
)
def test_the_a100_refuses_an_fp8_cache(row: dict[str, Any]) -> None:
    setup = settled(row)
    refused = refusal(setup, ranks(setup), 1000)
    assert refused is not None
    begin = refused.message.partition(" on ")[0]
    assert begin in row["error"]


def test_a_real_start_on_the_cpu() -> None:
    """vLLM 0.32.0 itself: 1 GiB for 4 layers of 4 KV heads of 64 in bf16, 262,144 tokens."""
    placed = [Placed(index, spec) for index in range(4) for spec in _tiny()]
    pool = build_pool(placed, Packing(128, 128))
    assert 2**30 // pool.bytes_per_block() * 128 == 262144


def _tiny() -> tuple[Any, ...]:
    from weighbridge.model.facts import Layer
    from weighbridge.model.feed_forward import NoFeedForward
    from weighbridge.model.mixers.full import FullAttention

    layer = Layer(FullAttention((), 4, 4, 64, 64), NoFeedForward())
    return layer_specs(layer, Form(find_cache_format("bf16")))
