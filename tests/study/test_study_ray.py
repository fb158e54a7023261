"""A study over a real local Ray cluster of two workers, one of which is killed on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import weighbridge as wb

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")

STUDY = """
columns = ["fits", "total_bytes", "low", "high", "verdict.because", "seconds_per_token", "error"]
[fixed]
on = "h100-sxm"
[grid]
model = ["llama-3.1-8b", "qwen3-30b-a3b"]
engine = ["vllm", "transformers"]
context = { from = 512, to = 8192, step = 512 }
concurrency = { from = 1, to = 16, step = 1 }
"""
FLEETS = """
kind = "fleet"
[fixed]
model = "llama-3.1-8b"
on = "h100-sxm"
replicas = 1
requests = 60
[grid]
users = [1, 2, 3, 4, 5, 6, 7, 8]
"""


def over_cluster(folder: Path, text: str, killed: str) -> tuple[dict[str, Any], bytes, bytes]:
    """What the program said, its rows, and those of one core here."""
    study = folder / "study.toml"
    study.write_text(text, encoding="utf-8")
    program = Path(__file__).with_name("ray_cluster.py")
    source = str(Path(wb.__file__).parent.parent)
    with subprocess.Popen(
        [
            sys.executable,
            str(program),
            str(study),
            str(folder / "ray.csv"),
            killed,
            str(folder / "said.json"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": source},
        start_new_session=True,
    ) as run:
        try:
            _, err = run.communicate(timeout=180)
        finally:
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)
    assert run.returncode == 0, err.decode()[-2000:]
    wb.study(str(study), out=str(folder / "here.csv"))
    said: dict[str, Any] = json.loads((folder / "said.json").read_bytes())
    return said, (folder / "ray.csv").read_bytes(), (folder / "here.csv").read_bytes()


def test_a_lost_worker_loses_no_row(tmp_path: Path) -> None:
    said, spread, here = over_cluster(tmp_path, STUDY, "yes")
    assert said["points"] == 1024
    assert len(said["lost"]) == 1
    assert 256 < said["lost"][0] < 1024
    assert said["nodes"] == [2]  # the head, and the worker that is left
    assert said["told"] == sorted(said["told"])
    assert spread == here


def test_fleets_over_the_cluster_are_those_of_one_core(tmp_path: Path) -> None:
    said, spread, here = over_cluster(tmp_path, FLEETS, "no")
    assert said["points"] == 8
    assert said["nodes"] == [3]
    assert spread == here
