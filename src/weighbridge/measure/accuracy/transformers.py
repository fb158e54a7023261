"""Transformers: peaks of published runs, beside the plan of each.

``use`` says whether constants were fitted on a row (``fit``) or not (``report``); only the latter
count in the figures that the README quotes. ``quantity`` says what the source measured:

* ``allocated``: torch.cuda.max_memory_allocated, summed over the cards;
* ``decode``: the same, but without the prompt's pass;
* ``after``: what is allocated once generation is over, the cache still held;
* ``device``: what nvidia-smi shows for the card, context and allocator's hoard included.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from weighbridge.measure.accuracy.ask import ask_plan
from weighbridge.measure.accuracy.truth import json_rows
from weighbridge.planner import DevicePlan, Plan
from weighbridge.term import Term

OPTIONS = ("weights", "engine", "on", "attn_implementation", "input_tokens", "output_tokens",
           "concurrency")  # fmt: skip
OUTSIDE_TORCH = {"context", "reserve"}


class Result(NamedTuple):
    """One row with what we say of it."""

    row: dict[str, Any]
    predicted: int
    low: int
    high: int

    @property
    def error(self) -> float:
        """Signed, relative to what was measured."""
        return float(self.predicted / self.row["measured_bytes"] - 1)

    @property
    def covered(self) -> bool:
        """Whether the measured value lies within our bounds, its printed precision allowed for."""
        spare = self.row.get("precision_bytes", 0)
        return bool(self.low - spare <= self.row["measured_bytes"] <= self.high + spare)


def rows() -> list[dict[str, Any]]:
    """The truth rows."""
    return json_rows("transformers_inference.jsonl")


def predict(row: dict[str, Any]) -> Result:
    """The plan of the row's run, read as the row's quantity."""
    plan = ask_plan(row["model"], **{name: row[name] for name in OPTIONS})
    return Result(
        row, *(_quantity(plan, row["quantity"], field) for field in ("bytes", "low", "high"))
    )


def _quantity(plan: Plan, quantity: str, field: str) -> int:
    return sum(_of_device(device, quantity, field) for device in plan.devices)


def _of_device(device: DevicePlan, quantity: str, field: str) -> int:
    def total(terms: Iterable[Term]) -> int:
        return sum(int(getattr(term, field)) for term in terms)

    if quantity == "device":
        return max(total(terms) for terms in device.phases.values())
    allocated = {
        phase: [term for term in terms if term.name not in OUTSIDE_TORCH]
        for phase, terms in device.phases.items()
    }
    if quantity == "after":
        return total(
            term
            for term in allocated["decode"]
            if term.phase == "resident" or term.name == "kv_cache"
        )
    if quantity == "decode":
        return total(allocated["decode"])
    return max(total(terms) for terms in allocated.values())
