"""Files → rows: lines of records, or a benchmark's own file; whole files or nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from weighbridge.errors import FileFormatError, ModelReferenceError, RequestError, StoreError
from weighbridge.measure.store.rows import Row, parse_row, row_of
from weighbridge.model.bounded import label, open_regular, read_exactly

LARGEST_FILE = 256 * 2**20
LARGEST_BENCHMARK = 64 * 2**20
ENDINGS = (".jsonl", ".json", ".csv")


def read_files(paths: Sequence[str]) -> list[Row]:
    """Every row of files and of folders with them; StoreError names the file and the line."""
    return [row for path in paths for file in _files(Path(path)) for row in read_file(file)]


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix in ENDINGS)
    if not found:
        raise StoreError(f"{label(path)} holds no {' or '.join(ENDINGS)} file")
    return found


def read_file(path: Path) -> list[Row]:
    """The rows of one file."""
    text = _text(path)
    if _holds_records(text):
        return list(_lines(text, path))
    if len(text) > LARGEST_BENCHMARK:
        raise StoreError(f"{label(path)} is larger than 64 MiB; give the benchmark's summary")
    from weighbridge.measure.store.benchmarks import benchmark_of

    try:
        return [row_of(benchmark_of(text, path.name), str(path))]
    except RequestError as error:
        raise StoreError(f"{error}, or lines that weigh measure, log or store wrote") from None


def _text(path: Path) -> str:
    where = label(path)
    try:
        file, size = open_regular(path)
        with file:
            if size > LARGEST_FILE:
                raise StoreError(f"{where} has {size:,} bytes, more than {LARGEST_FILE:,}")
            return read_exactly(file, size, where).decode()
    except UnicodeDecodeError as error:
        raise StoreError(f"{where} is not UTF-8 at byte {error.start:,}") from None
    except (FileFormatError, ModelReferenceError) as error:
        raise StoreError(str(error)) from None


def _holds_records(text: str) -> bool:
    """Whether the first line that can be read is a record; a torn or foreign line is none."""
    for line in text.split("\n", 100)[:100]:
        try:
            data = json.loads(line)
        except (ValueError, RecursionError):
            continue
        return isinstance(data, dict) and {"schema", "kind"} <= set(data)
    return False


def _lines(text: str, path: Path) -> Iterator[Row]:
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"line {number:,} of {label(path)}"
        try:
            yield parse_row(line.strip(), where, str(path))
        except StoreError as error:
            if number == len(lines):
                raise StoreError(
                    f"{error}; it has no line feed, so its writer was stopped in it: remove it"
                ) from None
            raise
