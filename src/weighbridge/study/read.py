"""A study file → what is fixed, the axes that vary, and the columns that are wanted.

    kind = "plan"                    # or "fleet"
    out = "sweep.parquet"            # .csv, .parquet or .jsonl
    columns = ["fits", "total_bytes"]
    [fixed]                          # the same in every point
    on = "h100-sxm"
    [grid]                           # every combination, the last fastest
    model = ["llama-3.1-8b", "qwen3-8b"]
    context = { from = 1024, to = 65536, factor = 2 }
    [[zip]]                          # values that go together
    tp = [1, 2]
    [[points]]                       # whole points, one after the other

Points, zips and the grid multiply.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from weighbridge._version import __version__
from weighbridge.errors import StudyError
from weighbridge.request import ALIASES
from weighbridge.study.kinds import KINDS, Kind

LARGEST_FILE = 4 * 2**20
MOST_POINTS = 10_000_000
KEYS = {"kind", "out", "columns", "fixed", "grid", "zip", "points"}


class Axis(NamedTuple):
    """Fields that vary together: one tuple of values for each step."""

    fields: tuple[str, ...]
    steps: tuple[tuple[Any, ...], ...]


class Study(NamedTuple):
    """Points are the product of the axes, the last fastest, each with what is ``fixed``."""

    path: str
    kind: str
    fixed: Mapping[str, Any]
    axes: tuple[Axis, ...]
    columns: tuple[str, ...]
    out: str | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Steps of each axis."""
        return tuple(len(axis.steps) for axis in self.axes)

    @property
    def size(self) -> int:
        """How many points there are."""
        count = 1
        for steps in self.shape:
            count *= steps
        return count

    @property
    def fields(self) -> tuple[str, ...]:
        """What varies, in order."""
        return tuple(field for axis in self.axes for field in axis.fields)

    def digest(self) -> str:
        """What makes two studies the same: all but their path and output."""
        told = [__version__, self.kind, sorted(self.fixed.items()), self.axes, self.columns]
        return hashlib.sha256(json.dumps(told, default=str).encode()).hexdigest()


def read_study(path: str) -> Study:
    """The study of a file; raises :class:`StudyError` that names the file and the place."""
    data = _table(path)
    unknown = sorted(set(data) - KEYS)
    if unknown:
        raise StudyError(f"{path}: {unknown[0]!r} is no part of a study; {_listed(KEYS)} are")
    name = data.get("kind", "plan")
    if name not in KINDS:
        raise StudyError(f"{path}: kind {name!r} is not one of {', '.join(KINDS)}")
    kind = KINDS[name]
    fixed = {
        _named(f"{path}: fixed", field, kind): _scalar(f"{path}: fixed.{field}", value)
        for field, value in _mapping(path, "fixed", data.get("fixed", {})).items()
    }
    axes = tuple(_axes(path, data, kind))
    study = Study(path, name, fixed, axes, _columns(path, data, kind), _out(path, data))
    _check(study)
    return study


def _table(path: str) -> dict[str, Any]:
    try:
        with Path(path).open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise StudyError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > LARGEST_FILE:
        raise StudyError(f"{path}: a study has at most {LARGEST_FILE // 2**20} MiB")
    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError:
        raise StudyError(f"{path}: is not text in UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise StudyError(f"{path}: is not TOML: {error}") from None
    except RecursionError:
        raise StudyError(f"{path}: is nested too deeply") from None


def _axes(path: str, data: Mapping[str, Any], kind: Kind) -> Iterator[Axis]:
    if "points" in data:
        yield _listed_points(path, data["points"], kind)
    for number, group in enumerate(_tables(path, "zip", data.get("zip", [])), 1):
        place = f"{path}: zip {number}"
        values = {field: _values(f"{place}.{field}", given) for field, given in group.items()}
        lengths = {field: len(steps) for field, steps in values.items()}
        if not values or len(set(lengths.values())) > 1:
            said = ", ".join(f"{field} has {n}" for field, n in lengths.items()) or "it is empty"
            raise StudyError(f"{place}: what is zipped has as many values each, but {said}")
        names = tuple(_named(place, field, kind) for field in values)
        yield Axis(names, tuple(zip(*values.values(), strict=True)))
    for field, given in _mapping(path, "grid", data.get("grid", {})).items():
        steps = _values(f"{path}: grid.{field}", given)
        yield Axis((_named(f"{path}: grid", field, kind),), tuple((step,) for step in steps))


def _listed_points(path: str, given: Any, kind: Kind) -> Axis:
    rows = _tables(path, "points", given)
    if not rows:
        raise StudyError(f"{path}: points is empty")
    fields = tuple(rows[0])
    for number, row in enumerate(rows, 1):
        if set(row) != set(fields) or not row:
            raise StudyError(f"{path}: point {number} has other fields than the first")
    names = tuple(_named(f"{path}: points", field, kind) for field in fields)
    return Axis(
        names,
        tuple(
            tuple(_scalar(f"{path}: points.{field}", row[field]) for field in fields)
            for row in rows
        ),
    )


def _values(place: str, given: Any) -> list[Any]:
    """A list, a range ``{from, to, step}`` or ``{from, to, factor}``, or one value."""
    if isinstance(given, dict):
        return _range(place, given)
    if not isinstance(given, list):
        return [_scalar(place, given)]
    if not given:
        raise StudyError(f"{place} is empty; give at least one value")
    if len(given) > MOST_POINTS:
        raise StudyError(f"{place} has more than {MOST_POINTS:,} values")
    return [_scalar(place, value) for value in given]


def _range(place: str, given: dict[str, Any]) -> list[Any]:
    if set(given) not in ({"from", "to", "step"}, {"from", "to", "factor"}):
        raise StudyError(f"{place}: a range is {{from, to, step}} or {{from, to, factor}}")
    numbers = list(given.values())
    if any(isinstance(n, bool) or not isinstance(n, int) for n in numbers):
        raise StudyError(f"{place}: a range has whole numbers; list the values instead")
    first, last = given["from"], given["to"]
    if last < first:
        raise StudyError(f"{place}: the range ends at {last}, before it begins at {first}")
    if "step" in given:
        if given["step"] < 1:
            raise StudyError(f"{place}: step {given['step']} is not at least 1")
        steps = range(first, last + 1, given["step"])
        if len(steps) > MOST_POINTS:
            raise StudyError(f"{place} has more than {MOST_POINTS:,} values")
        return list(steps)
    if given["factor"] < 2 or first < 1:
        raise StudyError(f"{place}: a factor is at least 2, and such a range begins at 1 or more")
    found = []
    while first <= last:
        found.append(first)
        first *= given["factor"]
    return found


def _check(study: Study) -> None:
    """Each field once, a model, and a bearable size."""
    seen: set[str] = set()
    for field in (*study.fixed, *study.fields):
        if field in seen:
            raise StudyError(f"{study.path}: {field} is given twice")
        seen.add(field)
    if "model" not in seen:
        raise StudyError(f"{study.path}: no model; name one in [fixed] or several in [grid]")
    if study.size > MOST_POINTS:
        raise StudyError(f"{study.path}: {study.size:,} points are more than {MOST_POINTS:,}")
    clash = sorted(set(study.columns) & set(study.fields))
    if clash:
        raise StudyError(f"{study.path}: columns: {clash[0]} varies and has its column anyway")


def _named(place: str, field: str, kind: Kind) -> str:
    """The field's own name; aliases are those of the command line."""
    name = ALIASES.get(field, field)
    if name == "model" or name in kind.fields():
        return name
    from difflib import get_close_matches

    close = get_close_matches(field, ["model", *kind.fields(), *ALIASES], n=1)
    hint = f"; did you mean {close[0]}" if close else ""
    raise StudyError(f"{place}: there is no field {field!r}{hint}")


def _columns(path: str, data: Mapping[str, Any], kind: Kind) -> tuple[str, ...]:
    given = data.get("columns", list(kind.columns))
    if not isinstance(given, list) or not all(isinstance(name, str) and name for name in given):
        raise StudyError(f"{path}: columns is a list of names such as {_listed(kind.columns[:3])}")
    if len(set(given)) < len(given):
        raise StudyError(f"{path}: columns names one twice")
    return tuple(given)


def _out(path: str, data: Mapping[str, Any]) -> str | None:
    out = data.get("out")
    if out is not None and not isinstance(out, str):
        raise StudyError(f"{path}: out is the name of a file")
    return out


def _scalar(place: str, value: Any) -> Any:
    if isinstance(value, (str, int, float, bool)):
        return value
    raise StudyError(f"{place}: {str(value)[:40]!r} is not one value")


def _mapping(path: str, name: str, given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise StudyError(f"{path}: {name} is a table, written [{name}]")
    return given


def _tables(path: str, name: str, given: Any) -> list[dict[str, Any]]:
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise StudyError(f"{path}: {name} are tables, written [[{name}]]")
    return given


def _listed(names: Any) -> str:
    return ", ".join(sorted(names))
