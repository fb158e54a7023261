"""Where the measured rows lie, and how they are read.

An installed package carries them beside this file; a clone of the project in ``tests/truth``.
"""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

from weighbridge.errors import RequestError

_HERE = Path(__file__).parent
FOLDERS = (_HERE / "truth", _HERE.parents[3] / "tests" / "truth")


def truth_file(name: str) -> Path:
    """A file of rows; RequestError where neither the package nor a clone has it."""
    for folder in FOLDERS:
        if (folder / name).is_file():
            return folder / name
    raise RequestError(
        f"the measured rows ({name}) are not there; install a built package, or run from a clone "
        "of the project"
    )


def json_rows(name: str) -> list[dict[str, Any]]:
    """The rows of a file of lines of JSON, compressed or not."""
    path = truth_file(name)
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    return [json.loads(line) for line in text.split("\n") if line]


def csv_rows(name: str) -> list[dict[str, str]]:
    """The rows of a compressed table."""
    with gzip.open(truth_file(name), "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
