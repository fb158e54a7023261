"""Benchmark files as rows: the file's text as it was, and what it says of itself."""

from __future__ import annotations

import json
from typing import Any

from weighbridge.errors import RequestError
from weighbridge.speed.measured import parse_runs


def benchmark_of(text: str, name: str) -> dict[str, Any]:
    """The record of a benchmark's file. Raises RequestError where it is none that is known."""
    program, _ = parse_runs(text, name)
    return {"schema": 1, "kind": "benchmark", "program": program, "name": name, "content": text}


def identity(record: dict[str, Any]) -> tuple[str, str, str]:
    """Engine, model and card of a benchmark's record; ValueError where it holds no run."""
    for key in ("program", "name", "content"):
        if not isinstance(record.get(key), str):
            raise ValueError(f"{key} is no text")
    try:
        program, _ = parse_runs(record["content"], record["name"])
    except RequestError as error:
        raise ValueError(str(error)) from None
    if program != record["program"]:
        raise ValueError(f"its content is of {program}, not of {record['program'][:40]!r}")
    first = _first(record["content"])
    known = ((key, first.get(key)) for key in ("model_id", "model_filename", "gpu_info"))
    said = {key: value for key, value in known if isinstance(value, str)}
    return program, said.get("model_id") or said.get("model_filename", ""), said.get("gpu_info", "")


def _first(text: str) -> dict[str, Any]:
    """The first object of the file, where it is JSON."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    data = data[0] if isinstance(data, list) and data else data
    return data if isinstance(data, dict) else {}
