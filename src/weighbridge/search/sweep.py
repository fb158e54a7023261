"""Sweeps: the same plan over many contexts and concurrencies.

Where the engine's formulas take arrays (Transformers) and numpy is there, the grid is one
evaluation over int64 arrays. Engines that settle pools, slots and layers for each request are
planned point by point, as without numpy. The numbers are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from weighbridge.engine import Question, parse_engine, spend
from weighbridge.errors import RequestError
from weighbridge.hardware.card import Card
from weighbridge.hardware.machine import Machine, parse_machine
from weighbridge.model.facts import Model
from weighbridge.model.load import load_model
from weighbridge.planner import Plan, plan_request
from weighbridge.request import Request, Tokens

MOST_POINTS = 200_000
# Far below int64, and what every reader of JSON holds exactly.
LARGEST = 2**53
ARRAYS = {"transformers"}


@dataclass(frozen=True, slots=True)
class Sweep:
    """Totals of the fullest device over a grid: ``totals[i][j]`` at contexts[i], concurrency[j].

    ``fits`` is None without a card.
    """

    model: Model
    contexts: tuple[int, ...]
    concurrencies: tuple[int, ...]
    totals: tuple[tuple[int, ...], ...]
    fits: tuple[tuple[bool, ...], ...] | None
    usable: int | None

    def to_dict(self) -> dict[str, Any]:
        """The grid as JSON prints it."""
        return {
            "schema": 1,
            "model": {"id": self.model.id, "parameters": self.model.parameters},
            "contexts": list(self.contexts),
            "concurrencies": list(self.concurrencies),
            "total_bytes": [list(row) for row in self.totals],
            "fits": None if self.fits is None else [list(row) for row in self.fits],
            "usable_bytes": self.usable,
        }


def sweep(request: Request, contexts: Sequence[int], concurrencies: Sequence[int]) -> Sweep:
    """The grid of ``contexts`` × ``concurrencies``; each context is a prompt that fills it."""
    if not contexts or not concurrencies or min(*contexts, *concurrencies) < 1:
        raise RequestError("a sweep needs contexts and concurrencies of at least 1")
    if len(contexts) * len(concurrencies) > MOST_POINTS:
        raise RequestError(f"a sweep has at most {MOST_POINTS:,} points")
    model = load_model(request.model)
    machine = parse_machine(request.deployment.on) if request.deployment.on is not None else None
    points = [(c, n) for c in contexts for n in concurrencies]
    last = _planned(request, model, [(max(contexts), max(concurrencies))])[0]
    if last.total > LARGEST:
        raise RequestError(
            f"{max(contexts):,} tokens of {max(concurrencies):,} sequences take more than can be "
            "counted exactly; ask for less"
        )
    evaluate = _by_arrays if _takes_arrays(request) else _by_plans
    found = evaluate(request, model, machine, points)
    width = len(concurrencies)
    return Sweep(
        model,
        tuple(contexts),
        tuple(concurrencies),
        _rows([total for total, _ in found], width),
        None if machine is None else _rows([bool(fits) for _, fits in found], width),
        None if machine is None else min(card.usable_bytes for card in machine.devices),
    )


def _takes_arrays(request: Request) -> bool:
    """Whether the engine's formulas are of contexts and users alone, and numpy is there."""
    deployment = request.deployment
    plain = parse_engine(deployment.engine).name in ARRAYS and not deployment.own
    return plain and find_spec("numpy") is not None


def _rows(values: Sequence[Any], width: int) -> tuple[tuple[Any, ...], ...]:
    return tuple(tuple(values[i : i + width]) for i in range(0, len(values), width))


def _planned(request: Request, model: Model, points: Sequence[tuple[int, int]]) -> list[Plan]:
    """The plan of each point."""
    return [
        plan_request(
            request._replace(
                deployment=request.deployment._replace(max_model_len=context),
                workload=request.workload._replace(concurrency=concurrency),
            ),
            model,
        )
        for context, concurrency in points
    ]


def _by_plans(
    request: Request, model: Model, machine: Machine | None, points: Sequence[tuple[int, int]]
) -> list[tuple[int, bool | None]]:
    """The fullest device's total at each point, and whether it fits."""
    del machine
    plans = _planned(request, model, points)
    return [(max(device.total for device in plan.devices), plan.fits) for plan in plans]


def _by_arrays(
    request: Request, model: Model, machine: Machine | None, points: Sequence[tuple[int, int]]
) -> list[tuple[int, bool | None]]:
    """The same in one evaluation over int64 arrays."""
    import numpy

    grid = numpy.array(points, dtype=numpy.int64)
    cards: tuple[Card, ...] = machine.devices if machine else ()
    engine = parse_engine(request.deployment.engine)
    tokens = Tokens(grid[:, 0], 1)
    question = Question(model, engine, request.deployment, tokens, grid[:, 1], cards)
    most = numpy.zeros(len(points), dtype=numpy.int64)
    fits = numpy.full(len(points), bool(cards))
    for device in spend(question).devices:
        peak = numpy.zeros(len(points), dtype=numpy.int64)
        for terms in device.phases.values():
            held = numpy.zeros(len(points), dtype=numpy.int64)
            for term in (*device.resident, *terms):
                held = held + term.bytes
            peak = numpy.maximum(peak, held)
        most = numpy.maximum(most, peak)
        if cards:
            fits &= peak <= cards[device.index].usable_bytes
    return [(int(total), bool(inside)) for total, inside in zip(most, fits, strict=True)]
