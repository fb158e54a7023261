"""A matrix of points, measured one after the other into a file that a kill cannot harm.

A campaign is TOML: ``[[points]]`` tables whose lists are the axes of a matrix. What the file of
records already answers for this machine is passed over, so that a campaign goes on where it was
ended. Within a table the hardest point comes first, where a small card fails soonest, and the
tables take turns, so that a time limit leaves something of each; with ``order = "tables"`` they
come as they stand, the most valuable first.
"""

from __future__ import annotations

import os
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import product, zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from weighbridge.errors import FileFormatError, InputError, RequestError
from weighbridge.measure.points import make_point, size_of
from weighbridge.measure.record import Record, append, key_of, read

SHIPPED = Path(__file__).parent / "campaigns"
MOST_POINTS = 10_000
ANSWERS = frozenset({"out of memory", "killed", "stopped"})
ORDERS = ("turns", "tables")
MOST_BYTES = 1_000_000
REDUCED = "reduced size: smaller values than the campaign's own, to show that it works"
Take = Callable[..., Record]
Told = Callable[[str, int, int, Mapping[str, Any], Record | None], None]


class Campaign(NamedTuple):
    """Points in the order in which they are measured."""

    name: str
    points: tuple[dict[str, Any], ...]
    repeats: int = 3
    reduced: bool = False

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices that its points name."""
        return tuple(dict.fromkeys(point["device"] for point in self.points))


class Done(NamedTuple):
    """How a campaign ended: points measured now, those before, those left, and why it stopped."""

    measured: int
    before: int
    left: int
    failed: int
    stopped: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return {"schema": 1, **self._asdict()}


def find(name: str) -> Path:
    """The file of a campaign: a path, or the name of one that ships."""
    path = Path(name)
    if path.is_file():
        return path
    shipped = SHIPPED / f"{name.removesuffix('.toml')}.toml"
    if shipped.is_file() and shipped.parent == SHIPPED:
        return shipped
    known = ", ".join(sorted(each.stem for each in SHIPPED.glob("*.toml")))
    raise RequestError(f"there is no campaign {name[:100]!r}; give a file, or one of {known}")


def load(name: str, *, reduced: bool = False) -> Campaign:
    """The campaign of a file; ``reduced`` takes the small values that each table names."""
    path = find(name)
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            raise FileFormatError(f"the campaign {path.name} is larger than a campaign is")
        data = tomllib.loads(text.decode())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise FileFormatError(f"the campaign {path.name} cannot be read: {error}") from None
    tables = data.get("points")
    if not isinstance(tables, list) or not tables:
        raise FileFormatError(f"the campaign {path.name} has no [[points]]")
    repeats = data.get("repeats", 3)
    if isinstance(repeats, bool) or not isinstance(repeats, int):
        raise FileFormatError(f"repeats of the campaign {path.name} is no whole number")
    try:
        points = _ordered([_expanded(table, reduced=reduced) for table in tables],
                          data.get("order", "turns"))  # fmt: skip
    except InputError as error:
        raise FileFormatError(f"the campaign {path.name}: {error}") from None
    return Campaign(str(data.get("name", path.stem)), points, 1 if reduced else repeats, reduced)


def _expanded(table: Any, *, reduced: bool) -> list[dict[str, Any]]:
    """Every combination of the values of a table, the hardest first."""
    if not isinstance(table, Mapping):
        raise RequestError("[[points]] holds tables")
    small = table.get("reduced", {})
    if reduced and not small:
        return []
    axes = {name: value for name, value in table.items() if name not in {"reduced", "about"}}
    axes |= small if reduced else {}
    lists = [value if isinstance(value, list) else [value] for value in axes.values()]
    count = 1
    for values in lists:
        count *= len(values)
    if count > MOST_POINTS:
        raise RequestError(f"a table spans {count:,} points; at most {MOST_POINTS:,} are taken")
    points = [make_point(dict(zip(axes, each, strict=True))) for each in product(*lists)]
    weights = {id(point): size_of(point, _parameters(point)) for point in points}
    return sorted(points, key=lambda point: -weights[id(point)])


def _parameters(point: Mapping[str, Any]) -> int:
    if "model" not in point:
        return 0
    from weighbridge.model.load import load_model

    return load_model(point["model"]).parameters


def _ordered(tables: list[list[dict[str, Any]]], order: Any) -> tuple[dict[str, Any], ...]:
    """The tables in turn, or one after the other; each point once."""
    if order not in ORDERS:
        raise RequestError(f"order is one of {', '.join(ORDERS)}, not {str(order)[:40]!r}")
    found: dict[str, dict[str, Any]] = {}
    for row in zip_longest(*tables) if order == "turns" else tables:
        for point in row:
            if point is not None:
                found.setdefault(key_of(point, {}), point)
    return tuple(found.values())


def answered(path: Path) -> set[str]:
    """The keys that a file of records already has.

    Memory or time that ran out is an answer; any other failure is tried again.
    """
    if not path.exists():
        return set()
    return {r.key for r in read(path) if r.failed is None or r.failed["what"] in ANSWERS}


def run(
    campaign: Campaign,
    path: Path,
    machines: Mapping[str, Mapping[str, Any]],
    take: Take,
    *,
    time_limit: float | None = None,
    told: Told | None = None,
) -> Done:
    """Measure what is missing; each record is on the disk before the next point begins.

    ``machines`` is what each device that a point may name turns out to be here.
    """
    end = None if time_limit is None else time.monotonic() + time_limit
    with alone(path):
        known = answered(path)
        wanted = [point for point in campaign.points if _key(point, machines) not in known]
        before, failed = len(campaign.points) - len(wanted), 0
        for number, point in enumerate(wanted):
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                return Done(number, before, len(wanted) - number, failed, "time limit")
            if told is not None:
                told("start", number + before + 1, len(campaign.points), point, None)
            record = _taken(take, point, campaign, left)
            cut = end is not None and time.monotonic() >= end
            if record.failed and record.failed["what"] == "stopped" and cut:
                return Done(number, before, len(wanted) - number, failed, "time limit")
            append(path, [record._replace(machine=_same(record, machines[point["device"]]))])
            failed += record.failed is not None
            if told is not None:
                told("done", number + before + 1, len(campaign.points), point, record)
    return Done(len(wanted), before, 0, failed)


def _key(point: Mapping[str, Any], machines: Mapping[str, Mapping[str, Any]]) -> str:
    return key_of(point, machines[point["device"]])


def _taken(take: Take, point: Mapping[str, Any], campaign: Campaign, left: float | None) -> Record:
    options = {} if left is None else {"seconds": left}
    record = take(point, repeats=campaign.repeats, **options)
    if campaign.reduced:
        record = record._replace(notes=(*record.notes, REDUCED))
    return record


def _same(record: Record, machine: Mapping[str, Any]) -> dict[str, Any]:
    """The record's machine, its device and card as the campaign knows them: they make the key."""
    return {**record.machine, "device": machine["device"], "card": machine["card"]}


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """One campaign at a time writes to a file; the lock goes with the process that holds it."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with open(f"{path}.lock", "w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RequestError(
                f"another campaign is writing to {os.fspath(path)!r}; wait for it, or name "
                "another file"
            ) from None
        yield
