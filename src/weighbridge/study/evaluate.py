"""A stretch of a group → its columns, by arrays where the engine's formulas take them.

Whether they do is tried on the corners of a group: the array's rows there must be the plans', to
the last digit, or the group is planned one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from weighbridge.errors import InputError
from weighbridge.study import arrays
from weighbridge.study.kinds import KINDS
from weighbridge.study.points import Group, Numbers, varied
from weighbridge.study.read import Study
from weighbridge.units import MIB

# Points of one evaluation: its arrays stay in a core's own cache.
BLOCK = 32_768
# Bytes of a block whose freeing makes the C library keep what is freed.
KEPT = 16 * MIB
FEWEST = 16


class Stretch(NamedTuple):
    """Places ``start`` to ``stop`` of a group, and whether they are one evaluation."""

    group: Group
    start: int
    stop: int
    by_arrays: bool

    @property
    def size(self) -> int:
        """How many points."""
        return self.stop - self.start


def numbers_of(study: Study) -> frozenset[str]:
    """What may vary within a group: what the engine's formulas take as arrays."""
    if study.kind != "plan":
        return frozenset()
    named = {str(study.fixed.get("engine", "transformers"))}
    for axis in study.axes:
        if "engine" in axis.fields:
            place = axis.fields.index("engine")
            named = {str(step[place]) for step in axis.steps}
    kinds = [arrays.NUMBERS.get(name.partition("==")[0], arrays.ALL) for name in named]
    return frozenset.intersection(*kinds)


def why_not(study: Study, group: Group, numbers: Numbers) -> str:
    """Why a group is planned one by one; empty where arrays give the plans' own numbers."""
    engine = str(group.same.get("engine", "transformers")).partition("==")[0]
    others = [name for name in study.columns if name not in arrays.COLUMNS]
    reasons = {
        "simulated one by one": study.kind != "plan",
        f"the column {others[0] if others else ''} is read from each plan": bool(others),
        f"{engine} settles each request by itself": engine not in arrays.NUMBERS,
        "few points of one structure": not group.varying or group.size < FEWEST,
    }
    found = next((reason for reason, holds in reasons.items() if holds), "")
    if found:
        return found
    try:
        return _differs(study, group, numbers)
    except InputError as error:
        return str(error)
    except (ValueError, TypeError, AttributeError, OverflowError, arrays.NotByArrays) as error:
        return f"a formula of {engine} takes no arrays ({str(error)[:60]})"


def _differs(study: Study, group: Group, numbers: Numbers) -> str:
    import numpy

    places = _corners(group)
    at = numbers.at(group, places)
    asked = arrays.settled(group.same)
    good = arrays.takes(asked, at)
    places, at = places[good], {name: values[good] for name, values in at.items()}
    if len(places) < 2:
        return "few of its points can be planned"
    with numpy.errstate(all="ignore"):
        found = _listed(arrays.rows_of(asked, at, study.columns), len(places))
    plans = one_by_one(study, group, places)
    for column in study.columns:
        if found[column] != plans[column]:
            return f"arrays would give other digits of {column}"
    return ""


def _corners(group: Group) -> Any:
    """The least and the most of every axis together, and a point of the middle."""
    import numpy

    shape = tuple(len(steps) for steps in group.steps)
    ends = [(0, length // 2, length - 1) if length > 2 else tuple(range(length))
            for length in shape]  # fmt: skip
    grid = numpy.array(numpy.meshgrid(*ends, indexing="ij")).reshape(len(shape), -1)
    places = numpy.unique(numpy.ravel_multi_index(tuple(grid), shape))
    if len(places) > 9:
        chosen = numpy.linspace(0, len(places) - 1, 9).astype(int)
        places = places[chosen]
    return places


def evaluate(study: Study, stretch: Stretch, numbers: Numbers) -> dict[str, list[Any]]:
    """The columns of a stretch, as lists."""
    import numpy

    places = numpy.arange(stretch.start, stretch.stop, dtype=numpy.int64)
    if not stretch.by_arrays:
        return one_by_one(study, stretch.group, places)
    at = numbers.at(stretch.group, places)
    asked = arrays.settled(stretch.group.same)
    good = arrays.takes(asked, at)
    if good.all():
        return _listed(columns_of(asked, at, study.columns, len(places)), len(places))
    found = {name: [None] * len(places) for name in study.columns}
    for where, part in (
        (numpy.flatnonzero(~good), None),
        (numpy.flatnonzero(good), {name: values[good] for name, values in at.items()}),
    ):
        if part is None or len(where) < 2:
            rows = one_by_one(study, stretch.group, places[where])
        else:
            made = columns_of(asked, part, study.columns, len(where))
            rows = _listed(made, len(where))
        for name in study.columns:
            for i, value in zip(where.tolist(), rows[name], strict=True):
                found[name][i] = value
    return found


@cache
def keep_freed() -> None:
    """Let the C library keep the memory of freed arrays instead of giving it back each time.

    glibc raises the size from which a block is mapped by itself, and twice that much as what it
    keeps, to that of the largest mapped block (32 MiB at most) that was freed (mallopt(3),
    ``M_MMAP_THRESHOLD``). Without it a fifth of a sweep is the kernel's, for pages that each
    block's arrays touch anew. Nothing is written into the block, so that it takes no memory.
    """
    import numpy

    numpy.empty(KEPT, numpy.uint8)  # freed at once


def columns_of(
    asked: arrays.Asked, at: Mapping[str, Any], columns: tuple[str, ...], size: int
) -> dict[str, Any]:
    """The columns as arrays, block by block: each block's arrays stay in cache."""
    import numpy

    keep_freed()
    if size <= BLOCK:
        return arrays.rows_of(asked, at, columns)
    made: dict[str, list[Any]] = {name: [] for name in columns}
    # The last block takes what would be a block of one, which is no array to a formula.
    ends = [*range(BLOCK, size - 1, BLOCK), size]
    start = 0
    for end in ends:
        block = {name: values[start:end] for name, values in at.items()}
        for name, value in arrays.rows_of(asked, block, columns).items():
            made[name].append((value, end - start))
        start = end
    return {
        name: parts[0][0]
        if all(not isinstance(value, numpy.ndarray) for value, _ in parts)
        else numpy.concatenate([numpy.broadcast_to(value, n) for value, n in parts])
        for name, parts in made.items()
    }


def one_by_one(study: Study, group: Group, places: Any) -> dict[str, list[Any]]:
    """The same, one answer after the other; what is refused has its sentence as ``error``."""
    kind = KINDS[study.kind]
    within = varied(study, group, places)
    found: dict[str, list[Any]] = {name: [] for name in study.columns}
    for i in range(len(places)):
        options = {**group.same, **{field: values[i] for field, values in within.items()}}
        model, error = str(options.pop("model")), None
        try:
            answer = kind.answer(model, options)
        except InputError as refused:
            answer, error = None, str(refused)
        for name, values in found.items():
            if name == "error":
                values.append(error)
            else:
                values.append(None if answer is None else plain(kind.value(answer, name)))
    return found


def plain(value: Any) -> Any:
    """A cell: a number, a text, or JSON of what is neither."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    import json

    return json.dumps(value, ensure_ascii=False)


def _listed(found: Mapping[str, Any], size: int) -> dict[str, list[Any]]:
    import numpy

    return {
        name: value.tolist() if isinstance(value, numpy.ndarray) else [value] * size
        for name, value in found.items()
    }
