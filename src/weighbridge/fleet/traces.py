"""A recorded trace: a CSV file of arrival times and lengths, read with bounds.

Columns are found by name: Azure's ``TIMESTAMP,ContextTokens,GeneratedTokens`` (CC-BY 4.0,
Azure/AzurePublicDataset, LLM inference trace 2023) or ``arrival,input,output``; times are seconds
or ISO dates. A name that ends in ``.gz`` is read compressed.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from datetime import datetime
from io import TextIOWrapper
from typing import NamedTuple

from weighbridge.errors import FileFormatError

LARGEST_ROWS = 10_000_000
LARGEST_BYTES = 2**30
LONGEST_LINE = 4096
LARGEST_TOKENS = 10**7
NAMES = {
    "when": ("timestamp", "arrival", "arrival_time", "arrived_at", "time", "when"),
    "input": ("contexttokens", "input", "input_tokens", "prompt_tokens", "request tokens"),
    "output": ("generatedtokens", "output", "output_tokens", "completion_tokens",
               "response tokens"),
}  # fmt: skip


class Trace(NamedTuple):
    """Seconds from the first arrival, and lengths, in order of arrival."""

    when: list[float]
    input: list[int]
    output: list[int]

    def repeated(self, count: int) -> Trace:
        """The first ``count`` requests of the trace run again and again.

        A round begins one mean gap after the last arrival of the one before.
        """
        if count <= len(self.when):
            return Trace(self.when[:count], self.input[:count], self.output[:count])
        rounds = -(-count // len(self.when))
        span = self.when[-1] * (1 + 1 / max(len(self.when) - 1, 1)) if self.when[-1] else 1.0
        when = [turn * span + time for turn in range(rounds) for time in self.when]
        return Trace(when[:count], (self.input * rounds)[:count], (self.output * rounds)[:count])


def read_trace(path: str) -> Trace:
    """A trace from a CSV file; raises FileFormatError with the line that cannot be read."""
    try:
        with open(path, "rb") as raw:
            stream = gzip.GzipFile(fileobj=raw) if path.endswith(".gz") else raw
            text = TextIOWrapper(stream, encoding="utf-8", errors="replace", newline="")
            return _read(csv.reader(_bounded(text, path)), path)
    except (OSError, EOFError) as error:
        said = getattr(error, "strerror", None) or str(error) or "it ends too early"
        raise FileFormatError(f"trace {path!r} cannot be read: {said}") from None
    except csv.Error as error:
        raise FileFormatError(f"trace {path!r} is not CSV: {error}") from None


def _bounded(text: TextIOWrapper, path: str) -> Iterator[str]:
    size = 0
    while line := text.readline(LONGEST_LINE + 1):
        size += len(line)
        if len(line) > LONGEST_LINE:
            raise FileFormatError(f"trace {path!r} has a line of over {LONGEST_LINE:,} characters")
        if size > LARGEST_BYTES:
            raise FileFormatError(f"trace {path!r} is larger than {LARGEST_BYTES:,} bytes")
        yield line.replace("\0", "")


def _read(rows: Iterator[list[str]], path: str) -> Trace:
    header = next(rows, None)
    if header is None:
        raise FileFormatError(f"trace {path!r} is empty")
    places = _places([name.strip().lower() for name in header], path)
    found: list[tuple[float, int, int]] = []
    for row in rows:
        if not row:
            continue
        if len(found) >= LARGEST_ROWS:
            raise FileFormatError(f"trace {path!r} has more than {LARGEST_ROWS:,} requests")
        found.append(_request(row, places, f"{path!r} row {len(found) + 2}"))
    if not found:
        raise FileFormatError(f"trace {path!r} has no requests")
    found.sort(key=lambda each: each[0])
    first = found[0][0]
    return Trace([each[0] - first for each in found], [each[1] for each in found],
                 [each[2] for each in found])  # fmt: skip


def _places(header: list[str], path: str) -> tuple[int, int, int]:
    places = []
    for names in NAMES.values():
        place = next((header.index(name) for name in names if name in header), None)
        if place is None:
            raise FileFormatError(
                f"trace {path!r} has no column {names[1]!r}; its first line names "
                "arrival, input and output"
            )
        places.append(place)
    return places[0], places[1], places[2]


def _request(row: list[str], places: tuple[int, int, int], where: str) -> tuple[float, int, int]:
    try:
        when, *counts = (row[place].strip() for place in places)
        inputs, outputs = (int(float(count)) for count in counts)
        seconds = _seconds(when)
    except (IndexError, ValueError, OverflowError):
        raise FileFormatError(f"trace {where} cannot be read: {','.join(row)[:60]!r}") from None
    if not (
        abs(seconds) < 1e12 and 0 <= inputs <= LARGEST_TOKENS and 0 <= outputs <= LARGEST_TOKENS
    ):
        raise FileFormatError(f"trace {where} is out of bounds: {','.join(row)[:60]!r}")
    return seconds, max(inputs, 1), max(outputs, 1)


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        main, dot, rest = text.partition(".")
        return datetime.fromisoformat(main + dot + rest[:6] if dot else main).timestamp()
