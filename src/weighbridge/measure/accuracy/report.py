"""Figures summed up: errors, bias, coverage of bounds, the worst rows, and a baseline to hold."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from weighbridge.errors import RequestError
from weighbridge.measure.accuracy.figure import Figure, percentile
from weighbridge.measure.accuracy.peers import Peer
from weighbridge.model.bounded import read_json_object

WORST = 20
ENDLESS = 9.99  # an error of nothing that should be something, in statistics
KEYS: dict[str, Callable[[Figure], str]] = {
    "quantity": lambda f: f"{f.set}: {f.quantity}" + ("" if f.use == "report" else f" [{f.use}]"),
    "engine": lambda f: f.engine.partition("==")[0] or f.set,
    "version": lambda f: f.engine or f.set,
    "family": lambda f: f.family or "not stated",
    "card": lambda f: f.card or "not stated",
}


class Group(NamedTuple):
    """What is said of some figures: absolute errors, the median signed one, and coverage."""

    name: str
    rows: int
    median: float
    ninetieth: float
    worst: float
    bias: float
    exact: float
    bounded: int
    covered: float | None

    def to_dict(self) -> dict[str, Any]:
        """The group as JSON, errors to a hundredth of a per cent."""
        return {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in self._asdict().items()
        }


class Report(NamedTuple):
    """The figures, those that bounds and errors are told of, and peers beside them."""

    figures: tuple[Figure, ...]
    peers: tuple[Peer, ...] = ()

    def groups(self, by: str) -> list[Group]:
        """The figures by one key; rows that something was fitted on only count by quantity."""
        key = KEYS[by]
        found: dict[str, list[Figure]] = {}
        for figure in self.figures:
            if by == "quantity" or figure.use != "fit":
                found.setdefault(key(figure), []).append(figure)
        return [group_of(name, each) for name, each in sorted(found.items())]

    def worst(self, count: int = WORST) -> list[Figure]:
        """The rows that are furthest off."""
        told = [figure for figure in self.figures if figure.use != "fit"]
        return sorted(told, key=lambda figure: -_size(figure))[:count]

    def to_dict(self, *, rows: bool = False) -> dict[str, Any]:
        """The report as ``--json`` prints it; ``rows`` adds every figure."""
        data: dict[str, Any] = {
            f"by_{name}": [group.to_dict() for group in self.groups(name)] for name in KEYS
        }
        data["worst"] = [figure.to_dict() for figure in self.worst()]
        data["peers"] = [peer.to_dict() for peer in self.peers]
        return {**data, "figures": [f.to_dict() for f in self.figures]} if rows else data


def _size(figure: Figure) -> float:
    return min(abs(figure.error), ENDLESS)


def group_of(name: str, figures: Iterable[Figure]) -> Group:
    """The statistics of some figures, of which there is one at least."""
    found = list(figures)
    sizes = [_size(figure) for figure in found]
    signed = [math.copysign(_size(figure), figure.error) for figure in found]
    held = [figure.covered for figure in found if figure.covered is not None]
    return Group(
        name,
        len(found),
        statistics.median(sizes),
        percentile(sizes, 0.9),
        max(sizes),
        statistics.median(signed),
        sum(size == 0 for size in sizes) / len(sizes),
        len(held),
        sum(held) / len(held) if held else None,
    )


# ---------------------------------------------------------------------------------------- baseline

SLACK = 0.0005
# What of a group may not grow; coverage and rows may not shrink.
HELD = ("median", "ninetieth")


def baseline_of(report: Report) -> dict[str, Any]:
    """What is committed: the groups by quantity, of the rows that the project carries."""
    groups = Report(tuple(f for f in report.figures if f.use != "own")).groups("quantity")
    return {"schema": 1, "groups": {group.name: group.to_dict() for group in groups}}


def read_baseline(path: str) -> dict[str, Mapping[str, Any]]:
    """The groups of a committed baseline."""
    from pathlib import Path

    data = read_json_object(Path(path), 2**22)
    groups = data.get("groups")
    good = isinstance(groups, dict) and all(
        isinstance(each, dict)
        and all(isinstance(each.get(k), int | float) for k in ("rows", *HELD))
        for each in groups.values()
    )
    if data.get("schema") != 1 or not good:
        raise RequestError(f"{path} is no baseline; write one with: weigh accuracy --baseline FILE")
    found: dict[str, Mapping[str, Any]] = groups  # type: ignore[assignment]
    return found


def regressions(report: Report, baseline: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What is worse than the baseline, one sentence each; none where nothing is."""
    groups = baseline_of(report)["groups"]
    asked = {figure.set for figure in report.figures}
    found = []
    for name, before in baseline.items():
        if name.partition(":")[0] not in asked:
            continue
        now = groups.get(name)
        if now is None:
            found.append(f"{name}: no row is left of {before['rows']}")
            continue
        if now["rows"] < before["rows"]:
            found.append(f"{name}: {now['rows']} rows, and {before['rows']} before")
        found += [
            f"{name}: {key} error {now[key]:.2%}, and {before[key]:.2%} before"
            for key in HELD
            if now[key] > before[key] * 1.01 + SLACK
        ]
        covered = before.get("covered")
        if covered is not None and (now["covered"] or 0) < covered - SLACK:
            found.append(f"{name}: bounds hold {now['covered'] or 0:.1%}, and {covered:.1%} before")
    return found


def baseline_text(report: Report) -> str:
    """The file to commit."""
    return json.dumps(baseline_of(report), indent=1, ensure_ascii=False) + "\n"
