"""A study run to its end: stretches evaluated, kept in the journal, written as one table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from weighbridge.errors import StudyError
from weighbridge.study.evaluate import Stretch, evaluate, numbers_of, why_not
from weighbridge.study.journal import Entry, Journal
from weighbridge.study.points import Group, Numbers, groups_of, points_of
from weighbridge.study.read import Study
from weighbridge.study.write import check_out, write_table

# Points of a journal's line: by arrays a fraction of a second, one by one about a second.
ARRAY_STRETCH, PLAN_STRETCH = 65_536, {"plan": 64}
Told = Callable[[int, int], None]


class Swept(NamedTuple):
    """Where the table is, how many points it has, and how they were worked out.

    ``resumed`` points were there from an earlier run; ``reasons`` say why groups were planned one
    by one, with how many points each.
    """

    out: Path
    points: int
    by_arrays: int
    resumed: int
    reasons: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """As JSON prints it."""
        return {"schema": 1, **self._asdict(), "out": str(self.out)}


class Cut(NamedTuple):
    """A group, what of it is to be done, and why not by arrays (empty: by arrays)."""

    group: Group
    why: str
    left: tuple[tuple[int, int], ...]


def run_study(
    study: Study,
    out: str | None = None,
    *,
    on_ray: str | None = None,
    restart: bool = False,
    told: Told | None = None,
) -> Swept:
    """Every point of the study into ``out``, or into what the study names.

    ``told`` hears how many points are finished of how many, after each stretch.
    """
    if find_spec("numpy") is None:
        raise StudyError("a study needs numpy; pip install 'weighbridge[sweep]'")
    if out is None and study.out is None:
        raise StudyError(f"{study.path}: says no output; give out = 'FILE' or --out FILE")
    path = Path(out or str(study.out))
    check_out(path)
    beside = path.with_name(path.name + ".journal")
    if restart:
        beside.unlink(missing_ok=True)
    groups = groups_of(study, numbers_of(study))
    numbers = Numbers(study)
    with Journal(beside, study.digest()) as journal:
        done = _finished(journal)
        resumed = sum(stop - start for parts in done.values() for start, stop in parts)
        counts: dict[str, int] = {}
        stretches = _stretches(study, _cuts(study, groups, numbers, done, counts))
        finished = resumed
        if told is not None:
            told(finished, study.size)
        for stretch, columns in _evaluated(study, stretches, numbers, on_ray):
            journal.add(Entry(stretch.group.number, stretch.start, stretch.stop, columns))
            finished += stretch.size
            if told is not None:
                told(finished, study.size)
        write_table(path, table_of(study, groups, journal.entries()))
    beside.unlink(missing_ok=True)
    return Swept(path, study.size, counts.pop("", 0), resumed, counts)


def _evaluated(
    study: Study, stretches: Iterable[Stretch], numbers: Numbers, on_ray: str | None
) -> Iterator[tuple[Stretch, dict[str, list[Any]]]]:
    if on_ray is not None:
        from weighbridge.study.spread import over_ray

        yield from over_ray(study, stretches, on_ray)
        return
    for stretch in stretches:
        yield stretch, evaluate(study, stretch, numbers)


def _finished(journal: Journal) -> dict[int, list[tuple[int, int]]]:
    found: dict[int, list[tuple[int, int]]] = {}
    for entry in journal.entries():
        found.setdefault(entry.group, []).append((entry.start, entry.stop))
    return {group: sorted(parts) for group, parts in found.items()}


def _cuts(
    study: Study,
    groups: list[Group],
    numbers: Numbers,
    done: dict[int, list[tuple[int, int]]],
    counts: dict[str, int],
) -> Iterator[Cut]:
    """Each group with what is left of it; ``counts`` gathers points by how they are done."""
    for group in groups:
        left, place = [], 0
        for start, stop in (*done.get(group.number, ()), (group.size, group.size)):
            if start > place:
                left.append((place, start))
            place = max(place, stop)
        if left:
            why = why_not(study, group, numbers)
            counts[why] = counts.get(why, 0) + sum(stop - start for start, stop in left)
            yield Cut(group, why, tuple(left))


def _stretches(study: Study, cuts: Iterable[Cut]) -> Iterator[Stretch]:
    for group, why, left in cuts:
        length = PLAN_STRETCH.get(study.kind, 1) if why else ARRAY_STRETCH
        for start, stop in left:
            for place in range(start, stop, length):
                yield Stretch(group, place, min(place + length, stop), not why)


def table_of(study: Study, groups: list[Group], entries: Iterable[Entry]) -> dict[str, list[Any]]:
    """What varies and what was found, a row for each point in the study's order."""
    import numpy

    table = _varied(study)
    found: dict[str, Any] = {name: numpy.empty(study.size, dtype=object) for name in study.columns}
    for entry in entries:
        places = numpy.arange(entry.start, entry.stop, dtype=numpy.int64)
        rows = points_of(study, groups[entry.group], places)
        for name, values in entry.columns.items():
            found[name][rows] = numpy.fromiter(values, dtype=object, count=len(values))
    return {**table, **{name: values.tolist() for name, values in found.items()}}


def _varied(study: Study) -> dict[str, list[Any]]:
    """The values of each axis at every point, as the study writes them."""
    found: dict[str, list[Any]] = {}
    each = study.size
    for axis in study.axes:
        steps = len(axis.steps)
        inner = each // steps
        for i, field in enumerate(axis.fields):
            once = [step[i] for step in axis.steps for _ in range(inner)]
            found[field] = once * (study.size // len(once))
        each = inner
    return found
