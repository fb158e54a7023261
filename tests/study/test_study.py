"""Studies: what a file says, what comes out, and what a killed run leaves."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import weighbridge as wb
from weighbridge.cli import main
from weighbridge.errors import StudyError
from weighbridge.study.journal import Entry, Journal
from weighbridge.study.read import read_study
from weighbridge.study.run import run_study

SMALL = """
columns = ["fits", "total_bytes", "terms.kv_cache", "verdict.sure", "seconds_per_token", "error"]
[fixed]
on = "l40s"
[grid]
model = ["qwen3-8b", "gpt2"]
concurrency = [1, 4]
context = { from = 1024, to = 4096, factor = 2 }
[[zip]]
engine = ["transformers", "vllm"]
weights = ["bf16", "fp8"]
"""


def written(folder: Path, text: str) -> str:
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_rows_are_the_plans_in_the_order_of_the_study(tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    swept = wb.study(written(tmp_path, SMALL), out=str(out))
    found = rows(out)
    assert swept.points == len(found) == 24
    assert [row["engine"] for row in found] == ["transformers"] * 12 + ["vllm"] * 12
    assert [row["max_model_len"] for row in found[:3]] == [1024, 2048, 4096]
    refused = [row for row in found if row["error"]]
    assert {row["total_bytes"] for row in refused} <= {None}
    for row in refused[:1]:
        with pytest.raises(wb.InputError, match="positions"):
            wb.plan(row["model"], on="l40s", engine=row["engine"], weights=row["weights"],
                    max_model_len=row["max_model_len"])  # fmt: skip
    for row in found:
        if row["error"]:
            continue
        asked = {k: row[k] for k in ("engine", "weights", "max_model_len", "concurrency")}
        plan = wb.plan(row["model"], on="l40s", **asked)
        assert row["total_bytes"] == plan.total
        assert row["terms.kv_cache"] == plan.term("kv_cache")
        assert (row["fits"], row["verdict.sure"]) == (plan.fits, plan.verdict.sure)
        assert row["error"] is None


def test_the_three_formats_hold_the_same(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    study = written(tmp_path, SMALL)
    for name in ("a.jsonl", "a.csv", "a.parquet"):
        wb.study(study, out=str(tmp_path / name))
    lines = rows(tmp_path / "a.jsonl")
    assert parquet.read_table(tmp_path / "a.parquet").to_pylist() == lines
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        for said, row in zip(csv.DictReader(file), lines, strict=True):
            assert said["total_bytes"] == ("" if row["error"] else str(row["total_bytes"]))
            assert said["fits"] == ("" if row["error"] else str(row["fits"]).lower())
            if row["seconds_per_token"] is not None:
                assert float(said["seconds_per_token"]) == row["seconds_per_token"]
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "a.csv", "a.jsonl", "a.parquet", "study.toml",
    ]  # fmt: skip


def test_listed_points_and_a_step(tmp_path: Path) -> None:
    text = """
    kind = "plan"
    columns = ["total_bytes"]
    [[points]]
    model = "gpt2"
    weights = "fp32"
    [[points]]
    model = "qwen3-8b"
    weights = "bf16"
    [grid]
    context = { from = 100, to = 300, step = 100 }
    """
    study = read_study(written(tmp_path, text))
    assert study.size == 6
    run_study(study, str(tmp_path / "o.jsonl"))
    found = rows(tmp_path / "o.jsonl")
    assert [(row["model"], row["weights"], row["max_model_len"]) for row in found[2:4]] == [
        ("gpt2", "fp32", 300), ("qwen3-8b", "bf16", 100),
    ]  # fmt: skip


def test_fleets_are_a_kind(tmp_path: Path) -> None:
    text = """
    kind = "fleet"
    [fixed]
    model = "llama-3.1-8b"
    on = "h100-sxm"
    replicas = 1
    requests = 40
    [grid]
    users = [2, 8]
    """
    swept = wb.study(written(tmp_path, text), out=str(tmp_path / "f.jsonl"))
    found = rows(tmp_path / "f.jsonl")
    assert swept.reasons == {"simulated one by one": 2}
    for row in found:
        asked = {"on": "h100-sxm", "replicas": 1, "requests": 40, "users": row["users"]}
        fleet = wb.fleet("llama-3.1-8b", **asked).to_dict()["fleet"]
        assert row["fleet.ttft.p95"] == fleet["ttft"]["p95"]
        assert row["fleet.cost.low"] == fleet["cost"]["low"]


LONG = """
columns = ["total_bytes", "fits", "verdict.sure"]
[fixed]
model = "llama-3.1-8b"
on = "rtx-4090"
[grid]
context = { from = 512, to = 40960, step = 512 }
concurrency = [1, 2, 3, 4, 5, 6, 7, 8]
"""


def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    study, out = written(tmp_path, LONG), tmp_path / "k.csv"
    journal = tmp_path / "k.csv.journal"
    program = [sys.executable, "-m", "weighbridge", "sweep", study, "--out", str(out)]
    with subprocess.Popen(program, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as run:
        until = time.monotonic() + 60
        while not (journal.exists() and journal.read_bytes().count(b"\n") >= 3):
            assert run.poll() is None
            assert time.monotonic() < until
            time.sleep(0.005)
        os.kill(run.pid, signal.SIGKILL)
    assert not out.exists()
    kept = journal.read_bytes()
    with journal.open("ab") as file:
        file.write(b'{"group":0,"start":5')  # half a line, as a crash may leave
    told: list[tuple[int, int]] = []
    swept = wb.study(study, out=str(out), told=lambda *both: told.append(both))
    assert swept.resumed >= 128
    assert swept.resumed < swept.points == 640
    assert told[0] == (swept.resumed, 640)
    assert told[-1] == (640, 640)
    assert kept.count(b"\n") >= 3
    assert not journal.exists()
    again = tmp_path / "whole.csv"
    wb.study(study, out=str(again))
    assert out.read_bytes() == again.read_bytes()


def test_a_journal_of_another_study_is_refused_and_restarted(tmp_path: Path) -> None:
    out = tmp_path / "o.csv"
    with Journal(tmp_path / "o.csv.journal", "another") as journal:
        journal.add(Entry(0, 0, 1, {"total_bytes": [1]}))
    study = written(tmp_path, SMALL)
    with pytest.raises(StudyError, match="journal of another study"):
        wb.study(study, out=str(out))
    wb.study(study, out=str(out), restart=True)
    assert out.exists()


def test_two_runs_do_not_share_a_journal(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    with (
        Journal(tmp_path / "j", "same"),
        pytest.raises(StudyError, match="another run"),
        Journal(tmp_path / "j", "same"),
    ):
        pass


BAD = (
    ("kind = 3", "kind 3 is not one of plan, fleet"),
    ("[grid", "is not TOML"),
    ("what = 1", "'what' is no part of a study"),
    ("[grid]\nmodel = []", "grid.model is empty"),
    ("[grid]\nmodel = ['gpt2']\nconcurency = [1]", "did you mean concurrency"),
    ("[grid]\nmodel = [{}]", "grid.model: '{}' is not one value"),
    ("[fixed]\nmodel = 'gpt2'\n[grid]\nmodel = ['gpt2']", "model is given twice"),
    ("[fixed]\nmodel = 'gpt2'\ncontext = 1\n[grid]\nmax_model_len = [1]", "is given twice"),
    ("[grid]\ncontext = [1]", "no model"),
    ("[[zip]]\nmodel = ['gpt2']\ntp = [1, 2]", "zip 1: what is zipped has as many values"),
    ("[grid]\ncontext = {from = 5, to = 1, step = 1}", "ends at 1, before it begins at 5"),
    ("[grid]\ncontext = {from = 0, to = 1, factor = 2}", "begins at 1 or more"),
    ("[grid]\ncontext = {from = 1, to = 9, step = 0}", "step 0 is not at least 1"),
    ("[grid]\ncontext = {from = 1, to = 9}", "a range is {from, to, step}"),
    ("[grid]\ncontext = {from = 1, to = 99999999999, step = 1}", "more than 10,000,000 values"),
    ("[grid]\nmodel = ['gpt2']\ncontext = {from = 1, to = 9999, step = 1}\n"
     "concurrency = {from = 1, to = 9999, step = 1}", "99,980,001 points are more than"),
    ("columns = 'fits'\n[fixed]\nmodel = 'gpt2'", "columns is a list"),
    ("columns = ['model']\n[grid]\nmodel = ['gpt2']", "varies and has its column anyway"),
    ("[[points]]\nmodel = 'gpt2'\n[[points]]\ntp = 1", "point 2 has other fields"),
    ("grid = 3", "grid is a table"),
    ("zip = 3", "zip are tables"),
)  # fmt: skip


@pytest.mark.parametrize(("text", "said"), BAD)
def test_a_bad_study_is_one_sentence_with_its_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    path = written(tmp_path, text)
    assert main(["sweep", path, "--out", str(tmp_path / "o.csv")]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert path in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("out", "said"),
    [("o.xls", "ends in .csv, .parquet, .jsonl"), ("no/o.csv", "there is no folder")],
)
def test_an_output_that_cannot_be_is_refused_first(tmp_path: Path, out: str, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        wb.study(written(tmp_path, SMALL), out=str(tmp_path / out))


def test_no_output_and_no_file_are_said(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="says no output"):
        wb.study(written(tmp_path, SMALL))
    with pytest.raises(StudyError, match=r"none\.toml: cannot be read"):
        wb.study(str(tmp_path / "none.toml"), out="o.csv")


def test_the_command_says_how_points_were_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "[fixed]\nmodel='gpt2'\n[grid]\nconcurrency={from=1,to=40,step=1}\ncontext=[64, 128]"
    out = tmp_path / "o.csv"
    path = written(tmp_path, f'out = "{out}"\n{text}')
    assert main(["sweep", path]) == 0
    captured = capsys.readouterr()
    assert "80 by arrays" in captured.out
    assert "80 of 80 points" in captured.err
    assert main(["sweep", path, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["by_arrays"] == 80
