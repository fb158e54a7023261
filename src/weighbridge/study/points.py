"""The points of a study in groups of one structure, of which only lengths and users differ.

A group is a smaller grid inside the study's: some steps of each axis. Which point of the study a
point of the group is, and its numbers, are arithmetic on arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

from weighbridge.study.read import Axis, Study


class Group(NamedTuple):
    """``same`` is what all its points have; ``steps`` are the steps of each axis it takes."""

    number: int
    same: Mapping[str, Any]
    varying: tuple[str, ...]
    steps: tuple[tuple[int, ...], ...]

    @property
    def size(self) -> int:
        """How many points it has."""
        count = 1
        for steps in self.steps:
            count *= len(steps)
        return count


def groups_of(study: Study, numbers: frozenset[str]) -> list[Group]:
    """The groups of a study, where ``numbers`` may vary within a group."""
    parted = [_parts(axis, numbers) for axis in study.axes]
    varying = tuple(field for field in study.fields if field in numbers)
    return [
        Group(
            number,
            {**study.fixed, **{k: v for same, _ in chosen for k, v in same.items()}},
            varying,
            tuple(steps for _, steps in chosen),
        )
        for number, chosen in enumerate(product(*parted))
    ]


def _parts(axis: Axis, numbers: frozenset[str]) -> list[tuple[dict[str, Any], tuple[int, ...]]]:
    """The steps of an axis by what of it is structure."""
    kept = [i for i, field in enumerate(axis.fields) if field not in numbers]
    found: dict[tuple[Any, ...], list[int]] = {}
    for number, step in enumerate(axis.steps):
        key = tuple((type(step[i]).__name__, step[i]) for i in kept)
        found.setdefault(key, []).append(number)
    return [
        ({axis.fields[i]: axis.steps[steps[0]][i] for i in kept}, tuple(steps))
        for steps in found.values()
    ]


def digits_of(group: Group, places: Any) -> list[Any]:
    """The step of each axis at these places of the group, as arrays."""
    import numpy

    if not group.steps:
        return []
    found = numpy.unravel_index(places, tuple(len(steps) for steps in group.steps))
    return [array_of(steps)[digit] for steps, digit in zip(group.steps, found, strict=True)]


@lru_cache(maxsize=64)
def array_of(steps: tuple[int, ...]) -> Any:
    """An axis's steps as an array, made once."""
    import numpy

    return numpy.array(steps, dtype=numpy.int64)


def points_of(study: Study, group: Group, places: Any) -> Any:
    """Which points of the study these places of the group are."""
    import numpy

    total = numpy.zeros(len(places), dtype=numpy.int64)
    for digit, steps in zip(digits_of(group, places), study.shape, strict=True):
        total = total * steps + digit
    return total


def varied(study: Study, group: Group, places: Any) -> dict[str, list[Any]]:
    """The values, as written, of what varies within the group."""
    digits = digits_of(group, places)
    return {
        field: [axis.steps[step][i] for step in digit.tolist()]
        for axis, digit in zip(study.axes, digits, strict=True)
        for i, field in enumerate(axis.fields)
        if field in group.varying
    }


class Numbers:
    """The lengths of a study's axes as int64 arrays, read once."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.read: dict[str, tuple[int, Any]] = {}

    def at(self, group: Group, places: Any) -> dict[str, Any]:
        """The lengths at these places of a group; KeyError where one is no plain number."""
        digits = digits_of(group, places)
        return {field: self._field(field, digits) for field in group.varying}

    def _field(self, field: str, digits: list[Any]) -> Any:
        if field not in self.read:
            self.read[field] = self._values(field)
        axis, values = self.read[field]
        return values[digits[axis]]

    def _values(self, field: str) -> tuple[int, Any]:
        import numpy

        from weighbridge.units import parse_count

        for number, axis in enumerate(self.study.axes):
            if field in axis.fields:
                place = axis.fields.index(field)
                found = [parse_count(step[place], field) for step in axis.steps]
                return number, numpy.array(found, dtype=numpy.int64)
        raise KeyError(field)
