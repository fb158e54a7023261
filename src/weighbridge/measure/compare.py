"""An observation beside the prediction for that very configuration, term by term."""

from __future__ import annotations

from typing import Any, NamedTuple

from weighbridge.errors import EngineError, InputError
from weighbridge.measure.observation import HOST, Observation
from weighbridge.planner import Plan, plan_request
from weighbridge.request import make_request

# The ledger's names that a log prints as one number.
TOGETHER = {"weights": ("weights", "adapters"), "activations": ("activations", "logits")}


class Beside(NamedTuple):
    """One term on one device: as observed and as predicted, with the prediction's bounds."""

    name: str
    device: int
    observed: int
    predicted: int
    low: int
    high: int

    @property
    def difference(self) -> float:
        """Predicted over observed, less one; 0 where nothing was observed."""
        return self.predicted / self.observed - 1 if self.observed else 0.0

    @property
    def within(self) -> bool:
        """Whether the bounds hold what was observed."""
        return self.low <= self.observed <= self.high


class Comparison(NamedTuple):
    """The plan of the log's configuration and the terms beside each other, or why there is none."""

    plan: Plan | None
    rows: tuple[Beside, ...] = ()
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The comparison as ``--json`` prints it."""
        return {
            "why": self.why,
            "rows": [
                {**row._asdict(), "difference": row.difference, "within": row.within}
                for row in self.rows
            ],
            "capacity_tokens": None if self.plan is None else self.plan.capacity.tokens,
            "max_concurrency": None if self.plan is None else self.plan.capacity.sequences,
        }


def options_of(seen: Observation, on: str | None) -> dict[str, Any]:
    """The request's options: what the log prints, on the card that was named or that it prints."""
    options = {"engine": _engine(seen), **seen.settings}
    machine = on or ",".join(card_name(card) for card in seen.cards)
    if machine:
        options["on"] = machine
    ranked = seen.engine in {"vllm", "sglang", "tensorrt-llm"}
    if ranked:
        options.setdefault("tensor_parallel_size", 1)
    return options


def card_name(printed: str) -> str:
    """A card as a driver prints it: ``NVIDIA GeForce RTX 4090``."""
    return " ".join(printed.replace("NVIDIA", " ").split())


def _engine(seen: Observation) -> str:
    parts = seen.version.split(".")[:3]
    return f"{seen.engine}=={'.'.join(parts)}" if all(parts) else seen.engine


def compare(seen: Observation, *, on: str | None = None, model: str | None = None) -> Comparison:
    """The plan of the log's own settings beside what the log says; never raises InputError."""
    name = model or seen.model
    if not name:
        return Comparison(None, (), "the log does not name the model; name it with --model")
    try:
        options = options_of(seen, on)
        found = _found(seen, name, named=model is not None)
        if found.weights is not None:
            options.setdefault("weights", found.weights)
        made, why = _planned(found.model, options)
    except InputError as error:
        return Comparison(None, (), str(error))
    return Comparison(made, tuple(_rows(seen, made)), why)


def _planned(model: str, options: dict[str, Any]) -> tuple[Plan, str]:
    """The plan, of the newest version where that of the log is not modelled."""
    try:
        return plan_request(make_request(model, options)), ""
    except EngineError as error:
        engine = options["engine"].partition("==")[0]
        if engine == options["engine"]:
            raise
        plan = plan_request(make_request(model, {**options, "engine": engine}))
        return plan, f"compared with {plan.engine}, because {error}"


def _found(seen: Observation, name: str, *, named: bool) -> Any:
    from weighbridge.launch.names import Named, gguf_model, hub_model

    if named:
        return Named(name)
    return gguf_model(name) if seen.engine in {"llama.cpp", "ollama"} else hub_model(name)


def _rows(seen: Observation, plan: Plan) -> list[Beside]:
    held: dict[tuple[str, int], int] = {}
    for term in seen.terms:
        if term.device != HOST:
            key = (term.name, term.device)
            held[key] = held.get(key, 0) + term.bytes
    rows = []
    for (name, index), size in held.items():
        if index >= len(plan.devices):
            continue
        names = TOGETHER.get(name, (name,))
        phases = plan.devices[index].phases.values()
        terms = [term for each in phases for term in each if term.name in names]
        unique = {(t.name, t.formula, t.bytes): t for t in terms}.values()
        if unique:
            sums = (sum(getattr(t, key) for t in unique) for key in ("bytes", "low", "high"))
            rows.append(Beside(name, index, size, *sums))
    return rows
