"""What a study may ask: one row per kind, with its fields and its usual columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

from weighbridge.options import ENGINES, engine_options
from weighbridge.options.common import DEPLOYMENT, WORKLOAD
from weighbridge.request import make_request

TERMS = ("weights", "kv_cache", "state", "activations", "logits", "workspace", "graphs",
         "context", "reserve")  # fmt: skip
PLAN_COLUMNS = (
    "fits", "total_bytes", "low", "high", *(f"terms.{name}" for name in TERMS),
    "kv.max_concurrency", "seconds_per_token", "ttft", "error",
)  # fmt: skip

FLEET_COLUMNS = (
    "met", "fleet.cards", "fleet.replicas",
    *(f"fleet.{what}.{rank}" for what in ("ttft", "tpot", "e2e") for rank in ("p50", "p95")),
    "fleet.tokens_per_second", "fleet.goodput", "fleet.use.waiting", "fleet.cost.low",
    "fleet.cost.high", "fleet.cost.million_low", "fleet.cost.million_high", "error",
)  # fmt: skip


class Kind(NamedTuple):
    """``answer`` gives what columns are read from; ``value`` reads one of them."""

    fields: Callable[[], frozenset[str]]
    columns: tuple[str, ...]
    answer: Callable[[str, Mapping[str, Any]], Any]
    value: Callable[[Any, str], Any]


@cache
def plan_fields() -> frozenset[str]:
    """Every option of a plan, those of all engines included."""
    own = (option for engine in ENGINES for option in engine_options(engine).own.values())
    return frozenset(option.name for option in (*DEPLOYMENT, *WORKLOAD, *own))


def plan_answer(model: str, options: Mapping[str, Any]) -> Any:
    """The plan of a point."""
    from weighbridge.planner import plan_request

    return plan_request(make_request(model, options))


def plan_value(plan: Any, column: str) -> Any:
    """One column of a plan: a short name, or a path into its JSON."""
    if column.startswith("terms."):
        return plan.term(column[6:])
    short = SHORT.get(column)
    return value_at(plan.to_dict(), column) if short is None else short(plan)


def _token(plan: Any) -> float | None:
    speed = plan.speed
    if speed is None:
        return None
    decode = speed.pace.decode if hasattr(speed, "pace") else speed.decode
    return None if decode is None else float(decode.seconds)


def _first(plan: Any) -> float | None:
    speed = plan.speed
    if speed is None:
        return None
    return float(speed.pace.first if hasattr(speed, "pace") else speed.prefill.seconds)


SHORT: dict[str, Callable[[Any], Any]] = {
    "fits": lambda plan: plan.fits,
    "total_bytes": lambda plan: plan.total,
    "low": lambda plan: plan.low,
    "high": lambda plan: plan.high,
    "kv.capacity_tokens": lambda plan: plan.capacity.tokens,
    "kv.max_concurrency": lambda plan: plan.capacity.sequences,
    "seconds_per_token": _token,
    "ttft": _first,
}


def value_at(data: Any, path: str) -> Any:
    """What stands at ``verdict.because`` or ``devices.0.low``; None where there is nothing."""
    for part in path.split("."):
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, (list, tuple)) and part.isdecimal() and int(part) < len(data):
            data = data[int(part)]
        else:
            return None
    return data


@cache
def fleet_fields() -> frozenset[str]:
    """Every option of a fleet, and those of the request that each replica runs."""
    from weighbridge.fleet.options import NAMES

    return plan_fields() | NAMES


def fleet_answer(model: str, options: Mapping[str, Any]) -> Any:
    """The answer of a fleet as JSON has it."""
    from weighbridge.fleet.answer import answer_of

    return answer_of(model, **options).to_dict()


KINDS = {
    "plan": Kind(plan_fields, PLAN_COLUMNS, plan_answer, plan_value),
    "fleet": Kind(fleet_fields, FLEET_COLUMNS, fleet_answer, value_at),
}
