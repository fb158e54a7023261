"""The fastest way to lay a chain of blocks over stations in order, under limits of memory.

Memory-aware partitioning: each station takes a run of consecutive blocks (it may take none), each
block has choices of seconds and bytes, and host memory is shared by all. Dynamic programming over
blocks and stations; where bytes and seconds trade, every state keeps all labels that no other beats
(Pareto), so that the answer is the optimum unless more than ``MOST`` of them were alive at once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple

MOST = 400
UNBOUNDED = 2**62


class Choice(NamedTuple):
    """A way to keep a block: seconds of a step, bytes of the station and of the host."""

    tag: str
    seconds: float
    own: int
    host: int = 0


class Found(NamedTuple):
    """The station and the choice of each block, and the seconds; ``exact`` if it is the optimum."""

    stations: tuple[int, ...]
    choices: tuple[Choice, ...]
    seconds: float
    exact: bool


class Label(NamedTuple):
    """A beginning of the chain: its seconds, bytes of the last station and of the host."""

    seconds: float
    own: int
    host: int
    station: int
    choice: Choice | None
    before: Label | None


Choices = Callable[[int, int], Sequence[Choice]]


class Problem(NamedTuple):
    """``choices(block, station)`` of ``blocks`` over stations with ``limits`` bytes.

    ``hop`` are the seconds from one station to a later one.
    """

    blocks: int
    limits: tuple[int, ...]
    host: int
    choices: Choices
    hop: Callable[[int, int], float]


def solve(problem: Problem, most: int = MOST) -> Found | None:
    """The placement of least seconds; None where the limits allow none."""
    exact, problem = True, _roomy(problem)
    states: dict[int, list[Label]] = {-1: [Label(0.0, 0, 0, -1, None, None)]}
    for block in range(problem.blocks):
        grown: dict[int, list[Label]] = {}
        for station in range(len(problem.limits)):
            labels = _arrived(problem, states, block, station)
            kept = undominated(labels)
            if len(kept) > most:
                kept, exact = thinned(kept, most), False
            if kept:
                grown[station] = kept
        states = grown
    ends = [label for labels in states.values() for label in labels]
    if not ends:
        return None
    best = min(ends, key=lambda label: label.seconds)
    return _unrolled(best, exact)


def _roomy(problem: Problem) -> Problem:
    """The problem without host memory where everything at once would fit there."""
    stations = range(len(problem.limits))
    most = sum(
        max((c.host for station in stations for c in problem.choices(block, station)), default=0)
        for block in range(problem.blocks)
    )
    return problem if most > problem.host else problem._replace(host=UNBOUNDED)


def _arrived(
    problem: Problem, states: dict[int, list[Label]], block: int, station: int
) -> list[Label]:
    """Labels whose block lies on ``station``, the chain before it there or on an earlier one."""
    choices = problem.choices(block, station)
    limit, room = problem.limits[station], problem.host
    counted = room < UNBOUNDED
    found: list[Label] = []
    for before, labels in states.items():
        if before > station:
            continue
        hop = problem.hop(before, station) if -1 < before < station else 0.0
        for label in labels if before == station else _closed(labels):
            used = label.own if before == station else 0
            for choice in choices:
                own, host = used + choice.own, label.host + choice.host * counted
                if own <= limit and host <= room:
                    seconds = label.seconds + choice.seconds + hop
                    found.append(Label(seconds, own, host, station, choice, label))
    return found


def _closed(labels: Sequence[Label]) -> list[Label]:
    """What matters of labels whose station is done: seconds and host memory."""
    return undominated([label._replace(own=0) for label in labels])


def undominated(labels: list[Label]) -> list[Label]:
    """Those that no other beats in seconds, own bytes and host bytes at once."""
    kept: list[Label] = []
    owns: list[int] = []
    hosts: list[int] = []
    for label in sorted(labels, key=lambda each: each[:3]):
        at = bisect_right(owns, label.own)
        if at and hosts[at - 1] <= label.host:
            continue
        kept.append(label)
        # The staircase: more own bytes are worth it only with fewer host bytes.
        end = at
        while end < len(hosts) and hosts[end] >= label.host:
            end += 1
        start = at - 1 if at and owns[at - 1] == label.own else at
        owns[start:end], hosts[start:end] = [label.own], [label.host]
    return kept


def thinned(labels: list[Label], most: int) -> list[Label]:
    """At most ``most`` of them, evenly by bytes, the fastest and the smallest among them."""
    ordered = sorted(labels, key=lambda label: (label.own, label.host))
    step = (len(ordered) - 1) / (most - 1)
    chosen = {round(index * step) for index in range(most)}
    fastest = min(range(len(ordered)), key=lambda index: ordered[index].seconds)
    return [ordered[index] for index in sorted({*chosen, fastest})]


def _unrolled(label: Label, exact: bool) -> Found:
    stations: list[int] = []
    choices: list[Choice] = []
    seconds = label.seconds
    at: Label | None = label
    while at is not None and at.choice is not None:
        stations.append(at.station)
        choices.append(at.choice)
        at = at.before
    return Found(tuple(stations[::-1]), tuple(choices[::-1]), seconds, exact)


def tidied(found: Found, kinds: Sequence[object], order: Sequence[str]) -> Found:
    """The same with equal blocks of one station sorted by their choice's tag, so that what lies
    alike stands together; seconds and bytes stay what they are."""
    choices = list(found.choices)
    alike: dict[tuple[int, object], list[int]] = {}
    for index, (station, kind) in enumerate(zip(found.stations, kinds, strict=True)):
        alike.setdefault((station, kind), []).append(index)
    for places in alike.values():
        ordered = sorted((choices[index] for index in places), key=lambda c: order.index(c.tag))
        for index, choice in zip(places, ordered, strict=True):
            choices[index] = choice
    return found._replace(choices=tuple(choices))
