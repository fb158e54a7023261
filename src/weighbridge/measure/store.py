"""The store of observations: JSON lines, one per log, under a schema that stays."""

from __future__ import annotations

import json
import os
from typing import Any

from weighbridge.errors import LogError
from weighbridge.measure.observation import Observation

SCHEMA = 1


def append(path: str, observation: Observation, **more: Any) -> None:
    """Append one line in one write, so that writers side by side do not mix theirs."""
    record = {"schema": SCHEMA, "kind": "log", **observation.to_dict(), **more}
    line = json.dumps(record, ensure_ascii=False, sort_keys=False) + "\n"
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags, 0o644)
    except OSError as error:
        raise LogError(f"{path[:200]!r} cannot be appended to: {error.strerror}") from None
    try:
        data = line.encode("utf-8", "replace")
        written = os.write(descriptor, data)
        if written != len(data):
            raise LogError(f"only {written:,} of {len(data):,} bytes went into {path[:200]!r}")
    finally:
        os.close(descriptor)
