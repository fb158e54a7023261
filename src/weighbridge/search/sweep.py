"""Sweeps: the same plan over many contexts and concurrencies.

With numpy the grid is one evaluation of the engine's formulas over int64 arrays; without it, one
per point. The numbers are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from weighbridge.engine import Question, parse_engine, spend
from weighbridge.errors import RequestError
from weighbridge.hardware.card import Card
from weighbridge.hardware.machine import parse_machine
from weighbridge.model.facts import Model
from weighbridge.model.load import load_model
from weighbridge.request import Request, Tokens

MOST_POINTS = 200_000


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
    base = Question(
        model,
        parse_engine(request.deployment.engine),
        request.deployment,
        Tokens(1, 1),
        1,
        machine.devices if machine else (),
    )
    points = [(c, n) for c in contexts for n in concurrencies]
    evaluate = _by_arrays if find_spec("numpy") else _by_points
    per_device = evaluate(base, points)
    cards: tuple[Card, ...] = base.cards
    totals = [max(values) for values in zip(*per_device, strict=True)]
    fits = None
    if cards:
        inside = [
            all(value <= cards[i].usable_bytes for i, value in enumerate(values))
            for values in zip(*per_device, strict=True)
        ]
        fits = _rows(inside, len(concurrencies))
    return Sweep(
        model,
        tuple(contexts),
        tuple(concurrencies),
        _rows(totals, len(concurrencies)),
        fits,
        min(card.usable_bytes for card in cards) if cards else None,
    )


def _rows(values: Sequence[Any], width: int) -> tuple[tuple[Any, ...], ...]:
    return tuple(tuple(values[i : i + width]) for i in range(0, len(values), width))


def _by_points(base: Question, points: list[tuple[int, int]]) -> list[list[int]]:
    """Totals of each device at its peak, one evaluation a point."""
    columns = [
        [
            max(
                sum(term.bytes for term in (*device.resident, *terms))
                for terms in device.phases.values()
            )
            for device in spend(
                base._replace(tokens=Tokens(context, 1), concurrency=concurrency)
            ).devices
        ]
        for context, concurrency in points
    ]
    return [list(values) for values in zip(*columns, strict=True)]


def _by_arrays(base: Question, points: list[tuple[int, int]]) -> list[list[int]]:
    """The same in one evaluation over int64 arrays."""
    import numpy

    grid = numpy.array(points, dtype=numpy.int64)
    question = base._replace(tokens=Tokens(grid[:, 0], 1), concurrency=grid[:, 1])
    result = []
    for device in spend(question).devices:
        peak = numpy.zeros(len(points), dtype=numpy.int64)
        for terms in device.phases.values():
            held = numpy.zeros(len(points), dtype=numpy.int64)
            for term in (*device.resident, *terms):
                held = held + term.bytes
            peak = numpy.maximum(peak, held)
        result.append([int(value) for value in peak])
    return result
