"""Records of measurements: exact round trips, torn lines, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from weighbridge.errors import LogError
from weighbridge.measure.record import Quantity, Record, append, from_dict, read
from weighbridge.term import Term


def record(number: int = 1) -> Record:
    term = Term("weights", 0, "resident", 5, 4, 6, "measured", "sum", {"n": 1}, "a process")
    return Record(
        {"kind": "inference", "model": "gpt2", "number": number},
        {"device": "cpu", "card": None, "host": {"cpu": "x", "memory_total": 7}},
        {"torch": "2.13.0"},
        (term,),
        (Quantity("seconds", "prefill", "s", (1.0, 3.0, 2.5)),),
        3,
        None,
        ("ünïcode",),
        1.25,
        "2026-11-21T00:00:00+00:00",
    )


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    append(path, [record(1), record(2)])
    append(path, [record(3)])
    assert [*read(path)] == [record(1), record(2), record(3)]
    assert record(1).key == record(1).key != record(2).key


def test_the_middle_and_the_spread() -> None:
    seen = record().quantities[0]
    assert (seen.median, seen.spread) == (2.5, 0.8)
    assert Quantity("s", "p", "s", (1.0, 2.0)).median == 1.5


@pytest.mark.parametrize("cut", [1, 20, 200, -2])
def test_a_torn_last_line_is_passed_over_and_replaced(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "r.jsonl"
    append(path, [record(1)])
    with path.open("a", encoding="utf-8") as file:
        file.write(record(2).line()[:cut])
    assert [*read(path)] == [record(1)]
    append(path, [record(3)])
    assert [*read(path)] == [record(1), record(3)]


WRONG: dict[str, tuple[str, Any]] = {
    "schema": ("schema", 99),
    "kind": ("kind", "log"),
    "key": ("key", "0" * 16),
    "term-name": ("terms", [{**record().to_dict()["terms"][0], "name": "vibes"}]),
    "term-bounds": ("terms", [{**record().to_dict()["terms"][0], "low": 6}]),
    "term-basis": ("terms", [{**record().to_dict()["terms"][0], "basis": "config"}]),
    "negative": ("quantities", [{**record().to_dict()["quantities"][0], "values": [-1]}]),
    "no-values": ("quantities", [{**record().to_dict()["quantities"][0], "values": []}]),
    "unit": ("quantities", [{**record().to_dict()["quantities"][0], "unit": "GB"}]),
    "repeats": ("repeats", 0),
    "point": ("point", {"kind": "guess"}),
    "machine": ("machine", []),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_bad_row_is_refused_with_its_line(tmp_path: Path, name: str) -> None:
    key, value = WRONG[name]
    path = tmp_path / "r.jsonl"
    append(path, [record(1)])
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({**record(2).to_dict(), key: value}) + "\n")
    with pytest.raises(LogError, match="line 2"):
        [*read(path)]


def test_a_missing_key_is_refused() -> None:
    data = record().to_dict()
    del data["seconds"]
    with pytest.raises(ValueError, match="seconds"):
        from_dict(data)
