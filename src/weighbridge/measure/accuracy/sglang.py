"""SGLang: its settings and pools in published logs, beside ours.

Each row of sglang_inference.jsonl is one quantity of a published log. ``quantity``:

* ``fraction``, ``sizes``, ``requests``: settings that SGLang decides by itself;
* ``before``, ``weights``, ``attention``, ``graphs``: GiB in the log's own lines, as we write them;
* ``tokens``: the pool, from flags and the card alone;
* ``pool``, ``rest``, ``slots``, ``smallest``: the law of the pool, given the log's free memory;
* ``key``, ``kv``, ``cell``, ``convolution``, ``recurrence``: what given tokens or slots take.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from weighbridge.engine import Question, parse_engine
from weighbridge.engine.sglang import cells, log
from weighbridge.engine.sglang.pool import (
    Budget,
    Pool,
    rest_bytes,
    running_requests,
    size_pool,
)
from weighbridge.engine.sglang.setup import Setup, set_up
from weighbridge.hardware.machine import parse_machine
from weighbridge.measure.accuracy.ask import ask_plan
from weighbridge.measure.accuracy.truth import json_rows
from weighbridge.model.load import load_model
from weighbridge.planner import Plan
from weighbridge.request import Tokens, make_request
from weighbridge.units import GIB

LAW = {"pool", "rest", "slots", "smallest", "key", "kv", "cell", "convolution", "recurrence",
       "fraction", "sizes", "requests"}  # fmt: skip


LINES = {
    "before": r"Load weight begin\. avail mem=([\d.]+)",
    "weights": r"Load weight end\..*mem usage=([\d.]+)",
    "graphs": r"Capture cuda graph end\. mem usage=([\d.]+)",
    "tokens": r"max_total_num_tokens=(\d+)",
}


class Result(NamedTuple):
    """A row with what we say of it; bounds are the figure itself where a law is exact."""

    row: dict[str, Any]
    predicted: float

    @property
    def error(self) -> float:
        """Signed, relative to what was measured."""
        return float(self.predicted / self.row["measured"] - 1)

    @property
    def exact(self) -> bool:
        """Within the precision that the log prints."""
        return bool(abs(self.predicted - self.row["measured"]) <= self.row["precision"] + 1e-9)


def rows() -> list[dict[str, Any]]:
    """The truth rows."""
    return json_rows("sglang_inference.jsonl")


def options(row: dict[str, Any]) -> dict[str, Any]:
    """The options of the row's run."""
    return {"engine": row["engine"], "on": row["on"], **row.get("options", {})}


@cache
def _plan(key: str) -> Plan:
    row = json.loads(key)
    return ask_plan(row["model"], **row["options"])


def plan_of(row: dict[str, Any]) -> Plan:
    """The plan of the row's run; rows of one run share it."""
    return _plan(json.dumps({"model": row["model"], "options": options(row)}))


def setup_of(row: dict[str, Any]) -> Setup:
    """What SGLang decides in the row's run."""
    request = make_request(row["model"], options(row))
    model = load_model(row["model"])
    machine = parse_machine(row["on"])
    return set_up(Question(model, parse_engine(row["engine"]), request.deployment,
                           Tokens(model.max_positions or 8192, 1), 1, machine.devices))  # fmt: skip


def predict(row: dict[str, Any]) -> Result:
    """What we say of the row's quantity."""
    quantity = row["quantity"]
    if quantity in LINES:
        return Result(row, _from_log(plan_of(row), LINES[quantity]))
    if quantity == "attention":
        said = plan_of(row)
        end = _from_log(said, r"Memory pool end\. avail mem=([\d.]+)")
        return Result(row, end - _from_log(said, r"graph begin\. avail mem=([\d.]+)"))
    return Result(row, _law(setup_of(row), quantity, row.get("given", {})))


def _from_log(plan: Plan, pattern: str) -> float:
    found = re.search(pattern, "\n".join(plan.log))
    return float(found[1]) if found else float("nan")


def _law(setup: Setup, quantity: str, given: dict[str, Any]) -> float:
    found = cells.cells(setup, setup.model.layers, setup.mixers.tensor)
    slot = cells.slot(setup, setup.model.layers, setup.mixers.tensor)
    tokens, slots = given.get("tokens", 0), given.get("slots", 0)
    simple: dict[str, Callable[[], float]] = {
        "fraction": lambda: setup.fraction,
        "sizes": lambda: len(setup.graphs),
        "requests": lambda: running_requests(setup, tokens),
        "cell": lambda: found.full_bytes,
        "convolution": lambda: (slots + 1) * slot.convolution / GIB,
        "recurrence": lambda: (slots + 1) * slot.recurrence / GIB,
        "key": lambda: (tokens + setup.page) * found.key / GIB,
        "kv": lambda: log.kv_bytes(Pool(0, tokens), found, setup.page) / GIB,
    }
    if quantity in simple:
        return simple[quantity]()
    budget = Budget(int(given["before"] * GIB), int(given["after"] * GIB))
    setup = setup._replace(fraction=given.get("fraction", setup.fraction))
    pool = size_pool(setup, budget, found, slot)
    of_pool = {
        "smallest": 1 - budget.after / budget.before,
        "rest": rest_bytes(budget, setup.fraction),
        "slots": pool.slots,
        "pool": pool.tokens,
    }
    return of_pool[quantity]
