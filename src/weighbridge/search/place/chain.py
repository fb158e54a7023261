"""The fastest way to lay a chain of blocks over stations in order, under limits of memory.

Memory-aware partitioning: each station takes a run of consecutive blocks (it may take none), each
block has choices of seconds and bytes, and host memory is shared by all. Dynamic programming over
blocks and stations: where bytes and seconds trade, every state keeps all labels that no other beats
(Pareto) and that could still beat the best known end (``bounds``). The answer is the optimum unless
more than ``MOST`` labels were alive at once, or too many in all; ``bound`` says what no placement
can be faster than.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple

from weighbridge.search.place.bounds import UNBOUNDED, Bounds, Choice, Table, bounds_of

FEW, SOME, MANY, MOST = 12, 60, 400, 3000
# Labels that a wider sweep may look at before it is given up: some seconds.
PATIENCE = 120_000
# Gains below a millionth of a step are not looked for.
WORTH = 1 - 1e-6


class Found(NamedTuple):
    """The station and the choice of each block, and the seconds.

    ``exact`` says that it is the optimum, to a millionth; no placement takes less than ``bound``.
    """

    stations: tuple[int, ...]
    choices: tuple[Choice, ...]
    seconds: float
    exact: bool
    bound: float


class Label(NamedTuple):
    """A beginning of the chain: its seconds, bytes of the last station and of the host."""

    seconds: float
    own: int
    host: int
    station: int
    choice: Choice | None
    before: Label | None


class Problem(NamedTuple):
    """``choices(block, station)`` of ``blocks`` over stations with ``limits`` bytes.

    ``hop`` are the seconds from one station to a later one.
    """

    blocks: int
    limits: tuple[int, ...]
    host: int
    choices: Callable[[int, int], Sequence[Choice]]
    hop: Callable[[int, int], float]


class Search(NamedTuple):
    """A problem laid out as tables; ``counted`` is 1 where host memory is a limit at all."""

    table: Table
    limits: tuple[int, ...]
    host: int
    hops: tuple[tuple[float, ...], ...]
    counted: int


def solve(problem: Problem, most: int = MOST) -> Found | None:
    """The placement of least seconds; None where the limits allow none."""
    search = _laid_out(problem)
    known: Label | None = None
    for width in (FEW, SOME, most):
        known, full, _ = _sweep(search, None, width, None)
        if known is not None or full:
            break
    if known is None:
        return None
    bounds = bounds_of(search.table, search.limits, search.host, search.counted, known.seconds)
    for width in (SOME, MANY, most):
        better, full, ended = _sweep(search, bounds, width, known)
        known = better or known
        if full or not ended:
            break
    return _unrolled(known, full, min(bounds.root, known.seconds))


def _laid_out(problem: Problem) -> Search:
    stations = range(len(problem.limits))
    table = [
        [list(problem.choices(block, station)) for station in stations]
        for block in range(problem.blocks)
    ]
    most = sum(max((c.host for row in rows for c in row), default=0) for rows in table)
    hops = tuple(
        tuple(problem.hop(left, right) if left < right else 0.0 for right in stations)
        for left in stations
    )
    return Search(table, problem.limits, problem.host, hops, int(most > problem.host))


def _sweep(
    search: Search, bounds: Bounds | None, most: int, known: Label | None
) -> tuple[Label | None, bool, bool]:
    """The best end that beats ``known``, whether no label was given up for their number, and
    whether the end was reached at all."""
    full, seen, stations = True, 0, range(len(search.limits))
    states: dict[int, list[Label]] = {-1: [Label(0.0, 0, 0, -1, None, None)]}
    for block in range(len(search.table)):
        grown: dict[int, list[Label]] = {}
        for station in stations:
            labels = _arrived(search, states, block, station)
            seen += len(labels)
            if bounds is not None and seen > PATIENCE:
                return None, False, False
            kept = undominated(labels)
            if bounds is not None and known is not None:
                kept = _hopeful(kept, bounds, block + 1, known.seconds * WORTH)
            if len(kept) > most:
                full = False
                kept = thinned(kept, most) if bounds is None else kept[:most]
            if kept:
                grown[station] = kept
        states = grown
    ends = [label for labels in states.values() for label in labels]
    return min(ends, key=lambda label: label.seconds, default=None), full, True


def _hopeful(labels: list[Label], bounds: Bounds, block: int, known: float) -> list[Label]:
    """Those of which the best that can still follow beats what is known, best first."""
    ends = [
        (label.seconds + bounds.rest(block, label.station, label.own, label.host), index)
        for index, label in enumerate(labels)
    ]
    return [labels[index] for end, index in sorted(ends) if end < known]


def _arrived(
    search: Search, states: dict[int, list[Label]], block: int, station: int
) -> list[Label]:
    """Labels whose block lies on ``station``, the chain before it there or on an earlier one."""
    choices = search.table[block][station]
    limit, room, counted = search.limits[station], search.host, search.counted
    if not counted:
        room = UNBOUNDED
    found: list[Label] = []
    for before, labels in states.items():
        if before > station:
            continue
        hop = search.hops[before][station] if before >= 0 else 0.0
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
    """At most ``most`` and one of them, evenly by bytes, the fastest and the smallest too."""
    ordered = sorted(labels, key=lambda label: (label.own, label.host))
    step = (len(ordered) - 1) / (most - 1)
    chosen = {round(index * step) for index in range(most)}
    fastest = min(range(len(ordered)), key=lambda index: ordered[index].seconds)
    return [ordered[index] for index in sorted({*chosen, fastest})]


def _unrolled(label: Label, exact: bool, bound: float) -> Found:
    stations: list[int] = []
    choices: list[Choice] = []
    seconds = label.seconds
    at: Label | None = label
    while at is not None and at.choice is not None:
        stations.append(at.station)
        choices.append(at.choice)
        at = at.before
    return Found(tuple(stations[::-1]), tuple(choices[::-1]), seconds, exact, bound)


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
