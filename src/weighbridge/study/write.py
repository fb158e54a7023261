"""Finished columns → CSV, Parquet or JSON lines, written beside and moved into place."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from weighbridge.errors import StudyError

Table = Mapping[str, Sequence[Any]]


def write_table(path: Path, table: Table) -> None:
    """The table in the format that the name ends in; the file is there whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        WRITERS[path.suffix.lower()](beside, table)
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise StudyError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        beside.unlink(missing_ok=True)


def check_out(path: Path) -> None:
    """Before anything is computed: the format is known, and the file can be written."""
    if path.suffix.lower() not in WRITERS:
        raise StudyError(f"{path}: the output ends in {', '.join(WRITERS)}")
    if not path.parent.is_dir():
        raise StudyError(f"{path}: there is no folder {path.parent}")
    if path.suffix.lower() == ".parquet" and find_spec("pyarrow") is None:
        raise StudyError(f"{path}: Parquet needs pyarrow; pip install 'weighbridge[parquet]'")


def _csv(path: Path, table: Table) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table)
        writer.writerows(zip(*(_cells(values) for values in table.values()), strict=True))


def _cells(values: Sequence[Any]) -> Sequence[Any]:
    if not any(isinstance(value, bool) for value in values):
        return values
    return [str(value).lower() if isinstance(value, bool) else value for value in values]


def _json_lines(path: Path, table: Table) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in zip(*table.values(), strict=True):
            file.write(json.dumps(dict(zip(table, row, strict=True)), ensure_ascii=False) + "\n")


def _parquet(path: Path, table: Table) -> None:
    import pyarrow
    from pyarrow import parquet

    columns = {}
    for name, values in table.items():
        kinds = {type(value) for value in values if value is not None}
        mixed = len(kinds) > 1 and not kinds <= {int, float}
        given = [None if v is None else str(v) for v in values] if mixed else values
        if kinds == {int, float}:
            given = [None if v is None else float(v) for v in values]
        columns[name] = pyarrow.array(given)
    parquet.write_table(pyarrow.table(columns), path)


WRITERS: dict[str, Callable[[Path, Table], None]] = {
    ".csv": _csv,
    ".parquet": _parquet,
    ".jsonl": _json_lines,
}
