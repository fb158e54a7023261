"""llama.cpp's own answers, buffer by buffer: a sample here, all of them in docs/accuracy.md."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent.parent))
from weighbridge.measure.accuracy.llama_cpp import (
    CLOSE,
    ask_log,
    ask_oracle,
    known,
    log_rows,
    oracle_rows,
)

ROWS = oracle_rows()
SAMPLE = ROWS[::11]
# A hybrid whose free blocks fall otherwise, or whose states lie in host memory.
LOOSE = {"granite-4.0-h-tiny", "mamba2-2.7b", "qwen3-next-80b-a3b-instruct", "deepseek-v2-lite"}


def label(row: dict[str, Any]) -> str:
    asked = " ".join(f"{key}={value}" for key, value in row["asked"].items())
    return f"{row['model']} {'device ' if 'device' in row else ''}{asked}"


@pytest.mark.parametrize("row", SAMPLE, ids=label)
def test_caches_to_the_byte_and_compute_buffers_as_llama_cpp_says(row: dict[str, Any]) -> None:
    found = ask_oracle(row)
    assert found.context
    assert found.exact or (row["model"] in LOOSE and "device" in row)


def test_the_sample_holds_every_model_and_both_kinds_of_run() -> None:
    assert {row["model"] for row in SAMPLE} == {row["model"] for row in ROWS}
    assert {"device" in row for row in SAMPLE} == {True, False}


@pytest.mark.parametrize("row", log_rows(), ids=lambda row: row["id"])
def test_published_logs(row: dict[str, Any]) -> None:
    """Caches and states to the printed digits; compute buffers where the placement is known."""
    for line in ask_log(row):
        if "compute" not in line.what:
            assert line.error == 0, f"{line.what}: {line.said} MiB, ours {line.ours:.2f}"
        elif known(row):
            limit = 0.10 if row["model"] == "phi-3-mini-4k-instruct" else CLOSE
            assert abs(line.error) <= limit, f"{line.what}: {line.said}, ours {line.ours:.2f}"
