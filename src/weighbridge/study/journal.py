"""What a study has finished: a file beside the output, one line per stretch, synced as it grows.

A run that is killed leaves at worst half a line, which is cut off when it goes on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple

from weighbridge.errors import StudyError


class Entry(NamedTuple):
    """The columns of places ``start`` to ``stop`` of a group."""

    group: int
    start: int
    stop: int
    columns: dict[str, list[Any]]


class Journal:
    """Finished stretches of the study with this digest."""

    def __init__(self, path: Path, digest: str) -> None:
        self.path, self.digest = path, digest
        self.file: IO[bytes] | None = None

    def __enter__(self) -> Journal:
        whole = self._whole()
        try:
            self.file = self.path.open("r+b" if whole else "wb")
        except OSError as error:
            raise StudyError(f"{self.path}: cannot be written: {error.strerror}") from None
        self._lock()
        if whole:
            self.file.truncate(whole)
            self.file.seek(whole)
        else:
            self._write({"study": self.digest})
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.file is not None:
            self.file.close()

    def add(self, entry: Entry) -> None:
        """One more stretch, on the disk when this returns."""
        self._write(entry._asdict())

    def entries(self) -> Iterator[Entry]:
        """All stretches so far."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            next(file, None)
            for line in file:
                if line.endswith(b"\n"):
                    yield Entry(**json.loads(line))

    def _write(self, data: dict[str, Any]) -> None:
        assert self.file is not None
        self.file.write(json.dumps(data, separators=(",", ":")).encode() + b"\n")
        self.file.flush()
        os.fsync(self.file.fileno())

    def _lock(self) -> None:
        """Two runs of one study into one file would write over each other."""
        try:
            import fcntl
        except ImportError:
            return
        assert self.file is not None
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StudyError(f"{self.path}: another run is writing it") from None

    def _whole(self) -> int:
        """Bytes up to the last whole line; 0 where there is no journal yet."""
        if not self.path.exists():
            return 0
        whole = 0
        with self.path.open("rb") as file:
            first = file.readline()
            if not first.endswith(b"\n"):
                return 0
            if first != json.dumps({"study": self.digest}, separators=(",", ":")).encode() + b"\n":
                raise StudyError(
                    f"{self.path}: is the journal of another study or version; "
                    "delete it or say --restart"
                )
            whole = len(first)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
        return whole
