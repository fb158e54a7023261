"""TensorRT-LLM's cache, predicted against logs: docs/accuracy-tensorrt-llm.md.

Each row of tests/truth/tensorrt_llm_inference.jsonl is one quantity of a published log:

* ``cell``: bytes per token of a rank;
* ``kv``, ``tokens``: the pool; with ``given`` free memory a law, without it from flags and card;
* ``weights``, ``execution``, ``decoder``, ``runtime``, ``activations``, ``available``: GiB in the
  log's own lines.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import weighbridge as wb
from scripts.accuracy_sglang import Result, figures
from scripts.report import ROOT, table
from weighbridge.engine import Question, parse_engine
from weighbridge.engine.served import rank_weights
from weighbridge.engine.tensorrt_llm import terms
from weighbridge.engine.tensorrt_llm.pool import Pool, groups, size_pool
from weighbridge.engine.tensorrt_llm.setup import Setup, set_up
from weighbridge.hardware.machine import parse_machine
from weighbridge.model.load import load_model
from weighbridge.planner import Plan
from weighbridge.request import Tokens, make_request
from weighbridge.units import GIB

TRUTH = ROOT / "tests" / "truth" / "tensorrt_llm_inference.jsonl"
REPORT = ROOT / "docs" / "accuracy-tensorrt-llm.md"
NAMED = {"decoder": "decoder", "runtime": "runtime buffers"}


def rows() -> list[dict[str, Any]]:
    """The truth rows."""
    return [json.loads(line) for line in TRUTH.read_text(encoding="utf-8").splitlines()]


def options(row: dict[str, Any]) -> dict[str, Any]:
    """The options of the row's run."""
    return {"engine": row["engine"], "on": row["on"], **row.get("options", {})}


def is_law(row: dict[str, Any]) -> bool:
    """Whether no fitted constant enters the prediction."""
    return row["quantity"] == "cell" or "given" in row


@cache
def _plan(key: str) -> Plan:
    row = json.loads(key)
    return wb.plan(row["model"], **row["options"])


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


def totals(results: list[Result] | None = None) -> str:
    """What is printed on a terminal: rows by kind of quantity."""
    results = [predict(row) for row in rows()] if results is None else results
    lines = []
    for title, law in (
        ("laws: bytes per token, blocks of given memory", True),
        ("from flags and card", False),
    ):
        for use in ("fit", "report"):
            group = [r for r in results if is_law(r.row) is law and r.row["use"] == use]
            if group:
                lines.append((f"{title}, {use}", *figures(group)))
    header = ("TensorRT-LLM", "rows", "within the printed digits", "median error", "worst")
    return table(header, lines)


def report() -> str:
    """docs/accuracy-tensorrt-llm.md."""
    results = [predict(row) for row in rows()]
    every = table(
        ("row", "use", "measured", "predicted", "error", "source"),
        [(r.row["id"], r.row["use"], f"{r.row['measured']:,.6g}", f"{r.predicted:,.6g}",
          f"{r.error:+.2%}", r.row["source"]) for r in results],
    )  # fmt: skip
    parts = [
        "# TensorRT-LLM: predicted against printed",
        "Written by `scripts/accuracy`; do not edit. Each row is a quantity in a log that somebody "
        "published. An error is (predicted − printed) / printed.",
        NOTES,
        totals(results),
        "## Every row",
        every,
        "",
    ]
    return "\n\n".join(parts)


NOTES = """\
- **Fitted.** Rows of Llama-2-7B and Qwen3-0.6B, and decoder and runtime buffers of Llama-2-70B, are
  those that constants were fitted on (execution context, decoder, runtime buffers, what the PyTorch
  backend takes outside torch); the others are reported. One row fits the last of these.
- **Laws.** Bytes per token and the pool that a printed free memory makes are TensorRT-LLM's own
  arithmetic and have no fitted constant.
- **Misses.** Buffers of the TensorRT backend depend on how the engine was built; their bounds are
  wide. GPT-OSS is padded on loading, so its weights are 4 % low."""
