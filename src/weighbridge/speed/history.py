"""How bandwidth, arithmetic and models have grown by year, from the tables of cards and models."""

from __future__ import annotations

import math
from typing import NamedTuple

from weighbridge.hardware.cards import list_cards
from weighbridge.model.catalog import rows
from weighbridge.units import GB, TB


class Point(NamedTuple):
    """A card or a model: the year it came, its figure, its name."""

    year: int
    value: float
    name: str


class Series(NamedTuple):
    """All points, the largest up to each year, and the factor by which that grows a year."""

    what: str
    points: tuple[Point, ...]
    best: tuple[Point, ...]
    growth: float


def history() -> tuple[Series, Series, Series]:
    """Bandwidth in 10⁹ bytes/s, 16-bit arithmetic in 10¹²/s, parameters in 10⁹."""
    cards = [card for card in list_cards() if card.launch_year]
    bandwidth = [Point(c.launch_year or 0, c.bandwidth / GB, c.id) for c in cards if c.bandwidth]
    rates = [
        Point(c.launch_year or 0, rate / TB, c.id)
        for c in cards
        if (rate := c.flops("bf16") or c.flops("fp16"))
    ]
    return (
        _series("memory bandwidth", bandwidth),
        _series("16-bit arithmetic", rates),
        _series("parameters", _models()),
    )


def _models() -> list[Point]:
    found = []
    for row in rows():
        released, size = row.released, row.published
        if size is not None and released[:4].isdecimal():
            found.append(Point(int(released[:4]), size / GB, row.id))
    return found


def _series(what: str, points: list[Point]) -> Series:
    largest: list[Point] = []
    for year in sorted({point.year for point in points}):
        of_year = max((p for p in points if p.year == year), key=lambda p: p.value)
        before = largest[-1] if largest else of_year
        largest.append(max(of_year, before._replace(year=year), key=lambda p: p.value))
    return Series(what, tuple(sorted(points)), tuple(largest), _growth(tuple(largest)))


def _growth(best: tuple[Point, ...]) -> float:
    """The factor a year of a straight line through the logarithms."""
    if len(best) < 2:
        return 1.0
    years = [point.year for point in best]
    logs = [math.log(point.value) for point in best]
    middle, mean = sum(years) / len(years), sum(logs) / len(logs)
    up = sum((x - middle) * (y - mean) for x, y in zip(years, logs, strict=True))
    return math.exp(up / sum((x - middle) ** 2 for x in years))
