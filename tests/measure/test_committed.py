"""Every committed measurement of a processor beside the plan of today: tensors within 2 %."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from weighbridge.measure.beside import Measured, beside
from weighbridge.measure.record import Record, read

FOLDER = Path(__file__).parent.parent.parent / "measurements"
FITTED = {"HuggingFaceTB/SmolLM2-135M", "google/gemma-3-270m", "openai-community/gpt2"}
WITHIN, HELD_WITHIN, HELD_MEDIAN = 0.02, 0.15, 0.06


def records(names: str = "cpu-*.jsonl") -> Iterator[Record]:
    for path in sorted(FOLDER.glob(names)):
        for record in read(path):
            if record.point["kind"] == "inference" and record.failed is None:
                yield record


CASES = {f"{each.point['model']}-{each.key}": each for each in records()}


@pytest.mark.parametrize("name", CASES)
def test_tensors_are_within_two_percent(name: str) -> None:
    rows = [row for row in beside(CASES[name]).rows if row.name != "held by the process"]
    assert {row.name for row in rows} >= {"weights", "tensors"}
    for row in rows:
        # A cache of kilobytes may differ by a count or a padding; the peak holds it too.
        assert abs(row.error) <= WITHIN or row.measured < 2**16, row


RUNS = {f"{each.point['model']}-{each.key}": each for each in records("run-*.jsonl")}


@pytest.mark.parametrize("name", RUNS)
def test_tensors_of_what_was_run_are_within_two_percent(name: str) -> None:
    rows = [row for row in beside(RUNS[name]).rows if row.name != "held by the process"]
    assert "weights" in {row.name for row in rows}
    assert all(abs(row.error) <= WITHIN or row.measured < 2**16 for row in rows), rows


def test_ten_models_were_run() -> None:
    assert len({each.point["model"] for each in RUNS.values()}) >= 10


def test_ten_models_and_more_were_measured() -> None:
    assert len({each.point["model"] for each in CASES.values()}) >= 10


def test_what_the_process_held_is_predicted_on_models_that_were_not_fitted() -> None:
    errors = [
        abs(row.error)
        for record in CASES.values()
        if record.point["model"] not in FITTED
        for row in shown(beside(record))
    ]
    assert max(errors) <= HELD_WITHIN
    assert median(errors) <= HELD_MEDIAN


def shown(found: Measured) -> list:  # type: ignore[type-arg]
    held = [row for row in found.rows if row.name == "held by the process"]
    return [row for row in held if row.phase in {"prefill", "decode"}]
