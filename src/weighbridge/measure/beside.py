"""A record beside the plan of the same question: tensors and what the process held, by phase."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from weighbridge.errors import InputError
from weighbridge.measure.record import Record
from weighbridge.planner import Plan, plan_request
from weighbridge.request import make_request, make_training
from weighbridge.term import Term

HELD = "held by the process"
# What a run notes whose weights are pages of the checkpoint's files.
MAPPED = (
    "weights of the checkpoint's own type are mapped from its files: they are resident once a "
    "pass has touched them, so that loading is not compared"
)
OUTSIDE = ("context", "reserve")
INFERENCE = ("weights", "concurrency", "input_tokens", "output_tokens", "attn_implementation")
TRAINING = ("precision", "method", "optimizer", "micro_batch", "seq_len", "checkpointing",
            "lora_rank", "attn_implementation")  # fmt: skip


class Row(NamedTuple):
    """One figure: what was measured, and what was predicted within its bounds."""

    name: str
    phase: str
    measured: int
    predicted: int
    low: int
    high: int

    @property
    def error(self) -> float:
        """Predicted over measured, less one."""
        return self.predicted / self.measured - 1 if self.measured else 0.0

    @property
    def within(self) -> bool:
        """Whether the bounds hold what was measured."""
        return self.low <= self.measured <= self.high

    def to_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return {**self._asdict(), "error": round(self.error, 6), "within": self.within}


class Measured(NamedTuple):
    """A record, its plan where there is one, and the figures that both have."""

    record: Record
    plan: Any
    rows: tuple[Row, ...]
    speeds: tuple[tuple[str, float, float], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        speeds = [{"phase": phase, "measured_seconds": seen, "floor_seconds": floor}
                  for phase, seen, floor in self.speeds]  # fmt: skip
        return {"schema": 1, "record": self.record.to_dict(),
                "beside": [row.to_dict() for row in self.rows], "speed": speeds}  # fmt: skip


def beside(record: Record) -> Measured:
    """A record beside the plan of its question."""
    try:
        plan = predict(record)
    except InputError:
        plan = None
    speeds = speed_rows(record, plan) if plan and record.point["kind"] == "inference" else []
    return Measured(record, plan, tuple(rows(record, plan)), tuple(speeds))


def predict(record: Record) -> Any:
    """The plan of a record's question on its machine; None where no plan speaks of such a point."""
    point = record.point
    if point["kind"] == "inference":
        options = {name: point[name] for name in INFERENCE}
        version = record.versions.get("transformers", "").partition("+")[0]
        options["engine"] = f"transformers=={version}" if version else "transformers"
        return plan_request(make_request(point["model"], {**options, "on": _machine(record)}))
    if point["kind"] == "training":
        from weighbridge.training.planner import plan_training

        options = {name: point[name] for name in TRAINING}
        if point["method"] == "full":
            del options["lora_rank"]
        return plan_training(make_training(point["model"], {**options, "on": _machine(record)}))
    return None


def _machine(record: Record) -> str | None:
    """How a request names the record's machine; None for a card that is not in the table."""
    if record.machine["device"] == "cpu":
        return f"cpu-{record.machine['host']['memory_total']}B"
    from weighbridge.hardware.cards import card_named

    card = card_named(str(record.machine.get("card")), record.machine.get("memory"))
    return None if card is None else card.id


def rows(record: Record, plan: Any) -> list[Row]:
    """Every figure that both have; empty where there is no plan, or nothing was measured."""
    if plan is None or record.failed is not None:
        return []
    phases: Mapping[str, tuple[Term, ...]] = plan.devices[0].phases
    found = [_named(record, phases, name) for name in ("weights", "adapters")]
    for phase, terms in phases.items():
        for name in ("kv_cache", "state", "gradients", "optimizer"):
            found.append(_term(record, phase, terms, name))
        inside = [term for term in terms if term.name not in OUTSIDE]
        picked = [_greedy(term) for term in inside]
        found.append(_quantity(record, "live_peak", "tensors", phase, picked))
        found.append(_quantity(record, "allocated_peak", "allocated", phase, picked))
        found.append(_held(record, plan, phase, terms))
    return [row for row in found if row is not None]


def _greedy(term: Term) -> Term:
    """Logits as the measured loop has them, which picks greedily: the least that a plan allows."""
    if (term.name, term.phase) != ("logits", "decode"):
        return term
    return term._replace(bytes=term.low)


def _held(record: Record, plan: Any, phase: str, terms: tuple[Term, ...]) -> Row | None:
    """What the process held; of a mapped checkpoint without the rows that no token reads."""
    if record.machine["device"] != "cpu":
        return _quantity(record, "driver_used", HELD, phase, terms)
    found = _quantity(record, "resident_peak", HELD, phase, terms)
    if found is None or MAPPED not in record.notes:
        return found
    from weighbridge.engine.transformers.host import unread

    less = unread(plan.model, plan.settings["weights"])
    return found._replace(predicted=found.predicted - less, low=found.low - less)


def _named(record: Record, phases: Mapping[str, tuple[Term, ...]], name: str) -> Row | None:
    return _term(record, "resident", next(iter(phases.values())), name)


def _term(record: Record, phase: str, terms: tuple[Term, ...], name: str) -> Row | None:
    seen = record.term(name, phase)
    mine = [term for term in terms if term.name == name]
    return None if seen is None or not mine else Row(name, phase, seen, *_sums(mine))


def _quantity(
    record: Record, name: str, shown: str, phase: str, terms: list[Term] | tuple[Term, ...]
) -> Row | None:
    seen = record.quantity(name, phase)
    if seen is None:
        return None
    # Ids and small buffers (frequencies of rotary embeddings) are in no plan.
    beside = [record.quantity(each, "resident") for each in ("buffers", "inputs")]
    small = sum(int(each.median) for each in beside if each is not None and name == "live_peak")
    return Row(shown, phase, int(seen.median) - small, *_sums(terms))


def _sums(terms: list[Term] | tuple[Term, ...]) -> tuple[int, int, int]:
    return (
        sum(term.bytes for term in terms),
        sum(term.low for term in terms),
        sum(term.high for term in terms),
    )


def speed_rows(record: Record, plan: Plan) -> list[tuple[str, float, float]]:
    """Seconds of prefill and of a decode step: measured, and the floor that the plan states."""
    speed: Any = plan.speed
    found = []
    for phase in ("prefill", "decode"):
        seen = record.quantity("seconds", phase)
        floor = None if speed is None else getattr(speed, phase, None)
        if seen is None or floor is None or not hasattr(floor, "seconds"):
            continue
        steps = record.point["output_tokens"] - 1 if phase == "decode" else 1
        found.append((phase, seen.median / max(steps, 1), floor.seconds))
    return found
