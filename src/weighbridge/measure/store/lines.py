"""Lines of JSON: records appended one at a time, and a store written out."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from weighbridge.errors import LogError, StoreError
from weighbridge.measure.observation import Observation
from weighbridge.measure.store.rows import Row

SCHEMA = 1
FILES = {"measurement": "measurements.jsonl", "log": "logs.jsonl", "benchmark": "benchmarks.jsonl"}


def log_record(observation: Observation, **more: Any) -> dict[str, Any]:
    """What the store keeps of a log."""
    return {"schema": SCHEMA, "kind": "log", **observation.to_dict(), **more}


def append(path: str, observation: Observation, **more: Any) -> None:
    """Append one line, on the disk when this returns.

    Writers side by side take turns by a lock; a line that a killed writer left half written, and
    of which it never said that it was kept, is cut away.
    """
    data = json.dumps(log_record(observation, **more), ensure_ascii=False) + "\n"
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags, 0o644)
    except OSError as error:
        raise LogError(f"{path[:200]!r} cannot be appended to: {error.strerror}") from None
    with os.fdopen(descriptor, "r+b") as file:
        _lock(file)
        file.truncate(_whole_lines(file))
        file.seek(0, os.SEEK_END)
        file.write(data.encode("utf-8", "replace"))
        file.flush()
        os.fsync(file.fileno())


def _lock(file: IO[bytes]) -> None:
    """An exclusive lock until the file is closed; Windows has none of this kind."""
    with contextlib.suppress(ImportError):
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)


def _whole_lines(file: IO[bytes]) -> int:
    """The file's length up to its last line feed."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - 65536)
        file.seek(start)
        place = file.read(end - start).rfind(b"\n")
        if place >= 0:
            return start + place + 1
        end = start
    return 0


def write_rows(rows: Iterable[Row], where: Path) -> list[Path]:
    """Rows as lines: into a file, or by kind into the files of a folder; each whole or not at all.

    A folder is one that exists, or a name that ends in a slash.
    """
    found = list(rows)
    if not where.is_dir():
        _write(found, where)
        return [where]
    made = []
    for kind, name in FILES.items():
        mine = [row for row in found if row.kind == kind]
        if mine:
            _write(mine, where / name)
            made.append(where / name)
    return made


def _write(rows: list[Row], path: Path) -> None:
    """Through a file beside it, so that a kill leaves the old file or the new one."""
    try:
        descriptor, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
                file.writelines(row.text + "\n" for row in rows)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(beside, 0o644)
            os.replace(beside, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(beside)
            raise
    except OSError as error:
        raise StoreError(f"{str(path)[:200]!r} cannot be written: {error.strerror}") from None
