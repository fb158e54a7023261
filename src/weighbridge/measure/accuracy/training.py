"""Training: peaks of published runs, beside the plan of each.

Each row of training_runs.jsonl is a published run. ``use`` says whether a constant was
fitted on it. ``quantity`` says what the source measured, on the fullest rank:

* ``allocated``: torch.cuda.max_memory_allocated;
* ``reserved``: torch.cuda.max_memory_reserved, the allocator's hoard included;
* ``device``: what nvidia-smi shows, the context included.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from weighbridge.measure.accuracy.ask import ask_training
from weighbridge.measure.accuracy.truth import json_rows
from weighbridge.planner import DevicePlan
from weighbridge.training.planner import TrainingPlan

LEFT_OUT = {"allocated": {"context", "reserve"}, "reserved": {"context"}, "device": set()}


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
        """Whether the measured value lies within the bounds, its printed precision allowed for."""
        spare = self.row["precision_bytes"]
        return bool(self.low - spare <= self.row["measured_bytes"] <= self.high + spare)


def rows() -> list[dict[str, Any]]:
    """The truth rows."""
    return json_rows("training_runs.jsonl")


def plan_of(row: dict[str, Any]) -> TrainingPlan:
    """The plan of the row's run; a model that no catalogue has is read from the row's config."""
    if "config" not in row:
        return ask_training(row["model"], **row["options"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.json"
        path.write_text(json.dumps(row["config"]), encoding="utf-8")
        return ask_training(str(path), **row["options"])


def predict(row: dict[str, Any]) -> Result:
    """The plan of the row's run, read as the row's quantity on the fullest rank."""
    plan, out = plan_of(row), LEFT_OUT[row["quantity"]]
    devices = plan.devices[-1:] if row.get("rank") == "last" else plan.devices
    sums = [_sums(device, out) for device in devices]
    best = max(sums)
    return Result(row, best[0], best[1], best[2])


def _sums(device: DevicePlan, out: set[str]) -> tuple[int, int, int]:
    totals = [
        tuple(
            sum(int(getattr(t, field)) for t in terms if t.name not in out)
            for field in ("bytes", "low", "high")
        )
        for terms in device.phases.values()
    ]
    return (max(t[0] for t in totals), max(t[1] for t in totals), max(t[2] for t in totals))
