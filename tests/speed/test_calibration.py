"""Runs as benchmarks write them, and constants refitted to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from weighbridge.errors import RequestError
from weighbridge.request import make_request
from weighbridge.speed.ask import answer, ask, settle
from weighbridge.speed.calibration import calibrate, calibration_to_dict, read_calibration
from weighbridge.speed.constants import constants_of
from weighbridge.speed.measured import Run, read_runs

LLAMA = [
    {"n_prompt": 0, "n_gen": 128, "n_depth": 4096, "avg_ts": 100.0},
    {"n_prompt": 512, "n_gen": 0, "n_depth": 0, "avg_ts": 5120.0},
]
VLLM = {"max_concurrency": 8, "completed": 80, "total_input_tokens": 81920,
        "total_output_tokens": 20480, "mean_tpot_ms": 9.5, "mean_ttft_ms": 120.0}  # fmt: skip
AIPERF = {"input_config": {"loadgen": {"concurrency": 4}}, "input_sequence_length": {"avg": 1000.0},
          "output_sequence_length": {"avg": 200.0}, "inter_token_latency": {"avg": 8.0},
          "time_to_first_token": {"avg": 90.0}}  # fmt: skip
GUIDELLM = {"benchmarks": [{"metrics": {
    "request_concurrency": {"successful": {"mean": 2.0}},
    "prompt_token_count": {"successful": {"mean": 256.0}},
    "output_token_count": {"successful": {"mean": 128.0}},
    "inter_token_latency_ms": {"successful": {"mean": 7.0}},
    "time_to_first_token_ms": {"successful": {"mean": 50.0}}}}]}  # fmt: skip
OWN = {"sequences": 3, "input_tokens": 10, "output_tokens": 20, "seconds_per_token": 0.01}
KINDS: list[tuple[str, Any, list[Run]]] = [
    ("llama-bench", LLAMA, [Run(1, 4096, 128, 0.01), Run(1, 512, 1, None, 0.1)]),
    ("vllm bench", VLLM, [Run(8, 1024, 256, 0.0095, 0.12)]),
    ("aiperf", AIPERF, [Run(4, 1000, 200, 0.008, 0.09)]),
    ("guidellm", GUIDELLM, [Run(2, 256, 128, 0.007, 0.05)]),
    ("own", OWN, [Run(3, 10, 20, 0.01)]),
]


@pytest.mark.parametrize(("data", "runs"), [k[1:] for k in KINDS], ids=[k[0] for k in KINDS])
def test_runs_are_read(tmp_path: Path, data: Any, runs: list[Run]) -> None:
    path = tmp_path / "runs.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    assert read_runs(str(path)) == [pytest.approx(run) if None not in run else run for run in runs]


def test_csv_of_llama_bench_and_lines_are_read(tmp_path: Path) -> None:
    table = tmp_path / "runs.csv"
    table.write_text("n_prompt,n_gen,n_depth,avg_ts\n0,64,0,50\n", encoding="utf-8")
    assert read_runs(str(table)) == [Run(1, 1, 64, 0.02)]
    lines = tmp_path / "runs.jsonl"
    lines.write_text(json.dumps(OWN) + "\n" + json.dumps(OWN) + "\n", encoding="utf-8")
    assert len(read_runs(str(lines))) == 2


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"a": 1}', "[[[[" * 5000, '{"avg_ts": 1e999, "n_gen": 1}', "n_gen\nx",
     '{"avg_ts": true, "n_gen": 4}', '{"benchmarks": 3}'],
    ids=["empty", "cut", "none", "unknown", "deep", "infinite", "csv", "boolean", "no list"],
)  # fmt: skip
def test_bad_files_are_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "runs"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RequestError):
        read_runs(str(path))


def subject() -> Any:
    return settle(make_request("llama-3.1-8b", {"on": "rtx-4090", "engine": "vllm"}))


def test_a_machine_of_known_constants_is_found_again() -> None:
    base, what = constants_of("vllm"), subject()
    assert base is not None
    slow = base._replace(constants=base.constants._replace(gemm=base.constants.gemm * 0.8))
    runs = []
    for count, length in ((1, 128), (4, 1024), (16, 2048)):
        tokens = what.tokens._replace(prompt=length, output=128)
        found = answer(what._replace(sequences=count, tokens=tokens), slow)
        assert found is not None
        runs.append(Run(count, length, 128, float(found.pace.decode.seconds)))
    made = calibrate(what, base, runs, "runs.json")
    assert made.before > 0.1
    assert made.after < 0.02
    assert made.factors["bandwidth"] == pytest.approx(0.8, rel=0.05)


def test_a_calibration_is_written_read_and_cited(tmp_path: Path) -> None:
    base, what = constants_of("vllm"), subject()
    assert base is not None
    made = calibrate(what, base, [Run(1, 128, 128, 0.02)], "mine.json")
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(calibration_to_dict(made, what)), encoding="utf-8")
    own = read_calibration(str(path))
    assert own == made.fitted
    request = make_request("llama-3.1-8b", {"on": "rtx-4090", "engine": "vllm"})
    assert ask(request, fitted=own).to_dict()["constants"]["source"] == "mine.json"


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"constants": {"gemm": "x"}}', '{"constants": {}, "bounds": 3}'],
    ids=["empty", "list", "nothing", "a word", "no bounds"],
)  # fmt: skip
def test_what_is_no_calibration_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RequestError, match="calibration"):
        read_calibration(str(path))
