"""One measured point as one line of JSON: what was asked, on what, and what was seen.

=============  ==============================================================================
schema, kind   ``1`` and ``measurement``
key            names the question on this kind of machine; equal keys ask the same
point          the exact question: plain values by name, ``kind`` among them
machine        ``device`` (cuda, rocm, mps, cpu), ``card``, ``driver``, ``runtime``, ``memory``
               of the card in bytes, and ``host`` (system, architecture, cpu, cpu_count,
               memory_total); neither names nor paths
versions       of python, weighbridge, torch, transformers, …
terms          what a plan's ledger names, as observed: terms of basis ``measured``, their
               ``bytes`` the median over the repeats, ``low`` and ``high`` their least and most
quantities     what has no line in a ledger: peaks as an allocator, a driver or the system saw
               them, times and rates, each with its unit and the value of every repeat
repeats        how often the point was run
failed         None, or ``{"what": "out of memory", "message": …}``: a result too
notes          what a reader must know
seconds, when  how long the measurement took; its end in UTC
=============  ==============================================================================
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from weighbridge.errors import LogError
from weighbridge.term import NAMES, Term

SCHEMA = 1
KIND = "measurement"
KINDS = ("inference", "training", "context", "product", "copy")
UNITS = ("bytes", "s", "tokens/s", "FLOP/s", "bytes/s", "tokens")
PHASES = ("resident", "load", "prefill", "decode", "forward", "backward", "step")
LONGEST_LINE = 4 * 1024 * 1024


class Quantity(NamedTuple):
    """Something seen that is no term: ``values`` are those of the repeats, in order."""

    name: str
    phase: str
    unit: str
    values: tuple[float, ...]
    device: int = 0

    @property
    def median(self) -> float:
        """The middle value; the mean of the two middle ones."""
        ordered = sorted(self.values)
        half = len(ordered) // 2
        return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2

    @property
    def spread(self) -> float:
        """Most less least, over the median; 0 for a single value."""
        return (max(self.values) - min(self.values)) / self.median if self.median else 0.0

    def to_dict(self) -> dict[str, Any]:
        """As a line holds it; median and spread stand there for readers."""
        return {
            "name": self.name,
            "phase": self.phase,
            "device": self.device,
            "unit": self.unit,
            "values": list(self.values),
            "median": self.median,
            "spread": round(self.spread, 6),
        }


class Record(NamedTuple):
    """One line; see the table above."""

    point: Mapping[str, Any]
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    terms: tuple[Term, ...] = ()
    quantities: tuple[Quantity, ...] = ()
    repeats: int = 1
    failed: Mapping[str, str] | None = None
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    when: str = ""

    @property
    def key(self) -> str:
        """The question on this kind of machine."""
        return key_of(self.point, self.machine)

    def quantity(self, name: str, phase: str, device: int = 0) -> Quantity | None:
        """The quantity of this name, or None."""
        wanted = (name, phase, device)
        return next((q for q in self.quantities if (q.name, q.phase, q.device) == wanted), None)

    def term(self, name: str, phase: str) -> int | None:
        """Bytes of the terms of this name in a phase, or None where none was seen."""
        found = [t.bytes for t in self.terms if t.name == name and t.phase == phase]
        return sum(found) if found else None

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "schema": SCHEMA,
            "kind": KIND,
            "key": self.key,
            "point": dict(self.point),
            "machine": dict(self.machine),
            "versions": dict(self.versions),
            "terms": [{"device": term.device, **term.to_dict()} for term in self.terms],
            "quantities": [each.to_dict() for each in self.quantities],
            "repeats": self.repeats,
            "failed": None if self.failed is None else dict(self.failed),
            "notes": list(self.notes),
            "seconds": self.seconds,
            "when": self.when,
        }

    def line(self) -> str:
        """The record as its line of a file, line feed included."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False) + "\n"


def key_of(point: Mapping[str, Any], machine: Mapping[str, Any]) -> str:
    """16 hexadecimal digits of the question, the kind of device and the card's name."""
    asked = [dict(point), machine.get("device"), machine.get("card")]
    text = json.dumps(asked, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def from_dict(data: Any) -> Record:
    """The record of a parsed line; ValueError says what of it cannot be."""
    if not isinstance(data, Mapping) or data.get("kind") != KIND:
        raise ValueError("this is no measurement")
    if data.get("schema") != SCHEMA:
        raise ValueError(f"schema {str(data.get('schema'))[:20]} is not {SCHEMA}")
    try:
        record = Record(
            _mapping(data, "point"),
            _mapping(data, "machine"),
            {str(k): str(v) for k, v in _mapping(data, "versions").items()},
            tuple(_term(each) for each in _list(data, "terms")),
            tuple(_quantity(each) for each in _list(data, "quantities")),
            _whole(data["repeats"], least=1),
            None if data["failed"] is None else _mapping(data, "failed"),
            tuple(str(note) for note in _list(data, "notes")),
            float(data["seconds"]),
            str(data["when"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"the record lacks or mistypes {error}") from None
    if record.point.get("kind") not in KINDS:
        raise ValueError(f"the point's kind is none of {', '.join(KINDS)}")
    if data.get("key") != record.key:
        raise ValueError(f"the key {str(data.get('key'))[:20]} is not that of the point")
    return record


def _mapping(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    if not isinstance(data[name], Mapping):
        raise ValueError(f"{name} is no object")
    return dict(data[name])


def _list(data: Mapping[str, Any], name: str) -> list[Any]:
    if not isinstance(data[name], list) or len(data[name]) > 100_000:
        raise ValueError(f"{name} is no list of a sensible length")
    found: list[Any] = data[name]
    return found


def _whole(value: Any, least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{str(value)[:20]} is no whole number of {least} or more")
    return value


def _term(data: Any) -> Term:
    low, size, high = (_whole(data[name]) for name in ("low", "bytes", "high"))
    if data["name"] not in NAMES or data["phase"] not in PHASES or data["basis"] != "measured":
        raise ValueError(f"the term {str(data['name'])[:20]} has a name, phase or basis of none")
    if not low <= size <= high:
        raise ValueError(f"the bounds of {data['name']} do not hold its bytes")
    return Term(
        data["name"], int(data["device"]), data["phase"], size, low, high, "measured",
        str(data["formula"]), dict(data["inputs"]), str(data["source"]),
    )  # fmt: skip


def _quantity(data: Any) -> Quantity:
    values = data["values"]
    if not isinstance(values, list) or not values or data["unit"] not in UNITS:
        raise ValueError(f"the quantity {str(data['name'])[:20]} has no values or no known unit")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
            raise ValueError(f"{str(data['name'])[:20]} has a value that is no number of 0 or more")
    return Quantity(
        str(data["name"]), str(data["phase"]), data["unit"], tuple(values), int(data["device"])
    )


def append(path: str | os.PathLike[str], records: Sequence[Record]) -> None:
    """Append whole lines, on the disk when this returns; a torn line of a killed writer goes.

    Writers side by side take turns by a lock on the file, so that none sees another's half line.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
    except OSError as error:
        raise LogError(f"{os.fspath(path)!r} cannot be appended to: {error.strerror}") from None
    with os.fdopen(descriptor, "r+b") as file:
        _lock(file)
        file.truncate(_whole_lines(file))
        file.seek(0, os.SEEK_END)
        file.write("".join(record.line() for record in records).encode())
        file.flush()
        os.fsync(file.fileno())


def read(path: str | os.PathLike[str]) -> Iterator[Record]:
    """The records of a file; LogError names the line that is none.

    A last line without its line feed is what a killed writer left, and is passed over.
    """
    try:
        file = open(path, "rb")  # noqa: SIM115
    except OSError as error:
        raise LogError(f"{os.fspath(path)!r} cannot be read: {error.strerror}") from None
    with file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield from_dict(json.loads(line))
            except (ValueError, RecursionError) as error:
                said = str(error)[:200]
                raise LogError(f"line {number:,} of {os.fspath(path)!r}: {said}") from None


def _whole_lines(file: Any) -> int:
    """The file's length up to its last line feed."""
    end: int = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - 65536)
        file.seek(start)
        place = file.read(end - start).rfind(b"\n")
        if place >= 0:
            return int(start + place + 1)
        end = start
    return 0


def _lock(file: Any) -> None:
    """An exclusive lock until the file is closed; Windows has none that waits, and needs none."""
    try:
        import fcntl
    except ImportError:
        return
    fcntl.flock(file, fcntl.LOCK_EX)
