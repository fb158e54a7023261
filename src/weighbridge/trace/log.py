"""The log of a trace: storages that come and go, and what can be read from it.

A :class:`Log` is plain data. Bytes are what was asked for; ``granularity`` rounds each storage up
as an allocator does (512 on CUDA: c10/cuda/CUDACachingAllocator.cpp, kMinBlockSize; 1 on a CPU).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

CUDA_BLOCK = 512
CATEGORIES = ("parameter", "buffer", "input", "gradient", "optimizer", "saved activation",
              "logits", "cache", "workspace", "temporary")  # fmt: skip
_NUMBER = re.compile(r"\.\d+(?=\.|$)")


class Storage(NamedTuple):
    """One storage: bytes asked for, category, the module and the operator that made it."""

    size: int
    category: str
    module: str
    operator: str


class Phase(NamedTuple):
    """Events ``start`` up to ``end`` (excluded) of the log."""

    name: str
    start: int
    end: int


class Log(NamedTuple):
    """``events`` hold a storage's number where it appears, and ``~number`` where it goes."""

    storages: tuple[Storage, ...]
    events: tuple[int, ...]
    phases: tuple[Phase, ...]

    def bytes_of(self, granularity: int) -> list[int]:
        """Each storage's bytes, rounded up."""
        return [-(-each.size // granularity) * granularity for each in self.storages]


class Peak(NamedTuple):
    """The most bytes alive in a phase, the event at which they were, and the bytes at its end."""

    phase: str
    bytes: int
    event: int
    end_bytes: int


def live(log: Log, granularity: int = CUDA_BLOCK) -> Iterator[int]:
    """Bytes alive after each event."""
    sizes, total = log.bytes_of(granularity), 0
    for event in log.events:
        total += sizes[event] if event >= 0 else -sizes[~event]
        yield total


def peaks(log: Log, granularity: int = CUDA_BLOCK) -> list[Peak]:
    """The peak of each phase, in order; what was alive before it counts."""
    totals = [0, *live(log, granularity)]
    found = []
    for phase in log.phases:
        inside = range(phase.start, phase.end + 1)
        at = max(inside, key=totals.__getitem__)
        found.append(Peak(phase.name, totals[at], at, totals[phase.end]))
    return found


def alive_at(log: Log, event: int) -> list[int]:
    """The storages alive after the first ``event`` events."""
    found: dict[int, None] = {}
    for each in log.events[:event]:
        if each >= 0:
            found[each] = None
        else:
            found.pop(~each, None)
    return [*found]


def by_category(log: Log, event: int, granularity: int = CUDA_BLOCK) -> dict[str, int]:
    """Bytes alive at an event, by category, in the order of :data:`CATEGORIES`."""
    sizes, sums = log.bytes_of(granularity), defaultdict[str, int](int)
    for number in alive_at(log, event):
        sums[log.storages[number].category] += sizes[number]
    return {name: sums[name] for name in CATEGORIES if sums[name]}


def by_module(log: Log, event: int, granularity: int = CUDA_BLOCK) -> dict[str, dict[str, int]]:
    """Bytes alive at an event, by module (its layers' numbers as ``*``) and category."""
    sizes = log.bytes_of(granularity)
    sums: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for number in alive_at(log, event):
        storage = log.storages[number]
        sums[kind_of_module(storage.module)][storage.category] += sizes[number]
    return {module: dict(sums[module]) for module in sorted(sums)}


def kind_of_module(name: str) -> str:
    """A module's path with its layers' numbers left out.

    >>> kind_of_module("model.layers.12.mlp.experts.3")
    'model.layers.*.mlp.experts.*'
    """
    return _NUMBER.sub(".*", name)


class Moment(NamedTuple):
    """One point of the timeline: event, phase, module, bytes alive by category."""

    event: int
    phase: str
    module: str
    live: dict[str, int]


def timeline(log: Log, points: int = 1000, granularity: int = CUDA_BLOCK) -> list[Moment]:
    """At most about ``points`` moments: the highest of each equal stretch of events."""
    totals = [0, *live(log, granularity)]
    steps = max(1, points // max(len(log.phases), 1))
    chosen: list[tuple[int, str]] = []
    for phase in log.phases:
        span = phase.end - phase.start
        edges = [phase.start + span * k // steps for k in range(steps + 1)] if span else []
        for low, high in pairwise(sorted({*edges})):
            chosen.append((max(range(low, high + 1), key=totals.__getitem__), phase.name))
    return _moments(log, sorted({*chosen}), granularity)


def _moments(log: Log, chosen: list[tuple[int, str]], granularity: int) -> list[Moment]:
    sizes, sums = log.bytes_of(granularity), defaultdict[str, int](int)
    found, done = [], 0
    module = ""
    for event, phase in chosen:
        for each in log.events[done:event]:
            number, sign = (each, 1) if each >= 0 else (~each, -1)
            sums[log.storages[number].category] += sign * sizes[number]
            module = log.storages[number].module if sign > 0 else module
        done = event
        found.append(Moment(event, phase, module, {k: v for k, v in sums.items() if v}))
    return found
