"""TensorRT-LLM: quantities of published logs, beside ours."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from weighbridge.engine import Question, parse_engine
from weighbridge.engine.served import rank_weights
from weighbridge.engine.tensorrt_llm import terms
from weighbridge.engine.tensorrt_llm.pool import Pool, groups, size_pool
from weighbridge.engine.tensorrt_llm.setup import Setup, set_up
from weighbridge.hardware.machine import parse_machine
from weighbridge.measure.accuracy.ask import ask_plan
from weighbridge.measure.accuracy.sglang import Result
from weighbridge.measure.accuracy.truth import json_rows
from weighbridge.model.load import load_model
from weighbridge.planner import Plan
from weighbridge.request import Tokens, make_request
from weighbridge.units import GIB

NAMED = {"decoder": "decoder", "runtime": "runtime buffers"}


def rows() -> list[dict[str, Any]]:
    """The truth rows."""
    return json_rows("tensorrt_llm_inference.jsonl")


def options(row: dict[str, Any]) -> dict[str, Any]:
    """The options of the row's run."""
    return {"engine": row["engine"], "on": row["on"], **row.get("options", {})}


def is_law(row: dict[str, Any]) -> bool:
    """Whether no fitted constant enters the prediction."""
    return row["quantity"] == "cell" or "given" in row


@cache
def _plan(key: str) -> Plan:
    row = json.loads(key)
    return ask_plan(row["model"], **row["options"])


def plan_of(row: dict[str, Any]) -> Plan:
    """The plan of the row's run; rows of one run share it."""
    return _plan(json.dumps({"model": row["model"], "options": options(row)}))


def setup_of(row: dict[str, Any]) -> Setup:
    """What TensorRT-LLM decides in the row's run."""
    request = make_request(row["model"], options(row))
    model = load_model(row["model"])
    return set_up(Question(model, parse_engine(row["engine"]), request.deployment,
                           Tokens(model.max_positions or 8192, 1), 1,
                           parse_machine(row["on"]).devices))  # fmt: skip


def predict(row: dict[str, Any]) -> Result:
    """What we say of the row's quantity."""
    setup, quantity = setup_of(row), row["quantity"]
    if quantity in {"kv", "tokens"} and "given" not in row:
        plan = plan_of(row)
        size = plan.devices[0]
        held = sum(term.bytes for term in size.terms if term.name == "kv_cache")
        return Result(row, held / GIB if quantity == "kv" else float(plan.capacity.tokens or 0))
    return Result(row, _part(setup, quantity, row.get("given", {})))


def _part(setup: Setup, quantity: str, given: dict[str, Any]) -> float:
    found = groups(setup, setup.model.layers, setup.mixers.tensor)
    if quantity == "cell":
        return sum(group.bytes for group in found)
    if quantity in {"kv", "tokens"}:
        pool: Pool = size_pool(
            setup, int((given.get("available") or given["free"]) * GIB), found, 0
        )
        return pool.tokens if quantity == "tokens" else pool.bytes / GIB
    held = rank_weights(setup.model, setup.storage, setup.mixers, setup.feed, 0)
    before = terms.before_cache(setup, 0, held)
    size = {
        "weights": held.size.bytes,
        "activations": terms.profiled(setup, 0).bytes,
        "execution": terms.execution(setup, 0).bytes,
        "available": setup.question.cards[0].usable_bytes - sum(term.bytes for term in before),
    }
    if quantity in size:
        return float(size[quantity] / GIB)
    return sum(term.bytes for term in before if term.formula.endswith(NAMED[quantity])) / GIB
