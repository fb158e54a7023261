"""The report: its arithmetic, its baseline, its own rows, and every way of printing it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from weighbridge.cli import main
from weighbridge.measure.accuracy import truth
from weighbridge.measure.accuracy.figure import Figure
from weighbridge.measure.accuracy.figures import SETS, figures_of
from weighbridge.measure.accuracy.report import (
    Report,
    baseline_of,
    group_of,
    regressions,
)
from weighbridge.measure.store import keep

DOCS = Path(__file__).parent.parent.parent / "docs"


def figure(measured: float, predicted: float, **more: Any) -> Figure:
    return Figure("vllm", "row", "vllm==1.0.0", "llama", "h100", "weights", "bytes", measured,
                  predicted, **more)  # fmt: skip


def test_errors_are_relative_and_nothing_within_the_printed_digits() -> None:
    assert figure(100, 110).error == pytest.approx(0.1)
    assert figure(100, 104, spare=5).error == 0
    assert figure(1, 3, least=10).error == pytest.approx(0.2)
    assert math.isinf(figure(0, 5).error)
    assert figure(100, 90).covered is None
    assert figure(100, 90, low=80, high=95).covered is False
    assert figure(100, 90, low=80, high=95, spare=5).covered is True


def test_a_group_is_summed_up() -> None:
    errors = (0.0, 0.01, -0.02, 0.03, 0.5)
    group = group_of("g", [figure(100, 100 * (1 + e), low=90 + 30 * e, high=110) for e in errors])
    assert (group.rows, round(group.median, 6), round(group.worst, 6)) == (5, 0.02, 0.5)
    assert group.ninetieth == pytest.approx(0.5)
    assert group.bias == pytest.approx(0.01)
    assert (group.exact, group.covered, group.bounded) == (0.2, 0.8, 5)


def test_rows_that_were_fitted_on_count_by_quantity_alone() -> None:
    report = Report((figure(100, 101), figure(100, 190, use="fit")))
    assert [group.name for group in report.groups("quantity")] == [
        "vllm: weights", "vllm: weights [fit]",
    ]  # fmt: skip
    (group,) = report.groups("engine")
    assert group.worst == pytest.approx(0.01)
    assert len(report.worst()) == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ([(100, 101)] * 2, "2 rows, and 3 before"),
        ([(100, 104)] * 3, "median error"),
        ([(100, 101), (100, 101), (100, 120)], "ninetieth error"),
        ([], ""),
    ],
)
def test_what_is_worse_than_the_baseline_is_told(
    changed: list[tuple[float, float]], said: str
) -> None:
    before = Report(tuple(figure(100, 101, low=100, high=102) for _ in range(3)))
    baseline = json.loads(json.dumps(baseline_of(before)))["groups"]
    now = Report(tuple(figure(m, p, low=100, high=102) for m, p in changed))
    found = regressions(now, baseline)
    assert any(said in each for each in found) if said else found == []
    better = Report(tuple(figure(100, 100, low=100, high=102) for _ in range(4)))
    assert regressions(better, baseline) == []
    uncovered = Report(tuple(figure(100, 101, low=101, high=102) for _ in range(3)))
    assert any("bounds hold 0.0%" in each for each in regressions(uncovered, baseline))
    other = figure(100, 101)._replace(quantity="cache")
    assert any("no row is left" in each for each in regressions(Report((other,)), baseline))


def test_the_committed_baseline_is_of_these_rows() -> None:
    """In full, scripts/accuracy --check; here that its rows are those of the sets."""
    groups = json.loads((DOCS / "accuracy-baseline.json").read_text())["groups"]
    assert {name.partition(":")[0] for name in groups} == set(SETS)
    found = Report(tuple(figures_of(["sglang", "tensorrt-llm"])))
    for group in found.groups("quantity"):
        assert groups[group.name]["rows"] == group.rows
    assert regressions(found, groups) == []


def test_the_command_checks_against_a_baseline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = str(tmp_path / "b.json")
    assert main(["accuracy", "--set", "tensorrt-llm", "--baseline", mine]) == 0
    capsys.readouterr()
    assert main(["accuracy", "--set", "tensorrt-llm", "--check", mine]) == 0
    assert "nothing is worse" in capsys.readouterr().out
    data = json.loads(Path(mine).read_text())
    for group in data["groups"].values():
        group["rows"] += 1
    Path(mine).write_text(json.dumps(data))
    assert main(["accuracy", "--set", "tensorrt-llm", "--check", mine, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["worse"]
    Path(mine).write_text("{}")
    assert main(["accuracy", "--set", "tensorrt-llm", "--check", mine]) == 2


def test_every_way_of_printing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "a.svg"
    sets = ["accuracy", "--set", "tensorrt-llm"]
    assert main([*sets, "--by", "family", "--by", "card", "--plot", str(picture)]) == 0
    text = capsys.readouterr().out
    assert "llama" in text
    assert "b200" in text
    assert "the worst rows" in text
    assert picture.read_text().startswith("<?xml")
    assert main([*sets, "--format", "markdown"]) == 0
    assert "## By engine" in capsys.readouterr().out
    assert main([*sets, "--json", "--every"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert len(made["figures"]) == 28
    assert {"median", "bias", "covered", "rows"} <= set(made["by_engine"][0])


def test_own_rows_of_logs_stand_beside_their_plans(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    term = {"name": "weights", "device": 0, "phase": "resident", "bytes": 16_000_000_000,
            "low": 15_990_000_000, "high": 16_010_000_000, "basis": "measured",
            "formula": "as printed", "inputs": {}, "source": "line 1"}  # fmt: skip
    log = {"schema": 1, "kind": "log", "engine": "vllm", "version": "0.11.0", "settings": {},
           "model": "meta-llama/Llama-3.1-8B", "cards": ["NVIDIA H100 80GB HBM3"],
           "terms": [term]}  # fmt: skip
    place = str(tmp_path / "s.db")
    keep([log], place)
    assert main(["accuracy", "--set", "own", "--store", place, "--json", "--every"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["figures"]
    assert (found["quantity"], found["use"], found["family"]) == ("weights", "own", "llama")
    assert abs(found["error"]) < 0.01
    assert main(["accuracy", "--set", "own", "--store", str(tmp_path / "none.db")]) == 2
    assert "no own row" in capsys.readouterr().err


def test_rows_that_are_not_there_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(truth, "FOLDERS", (tmp_path,))
    assert main(["accuracy", "--set", "tensorrt-llm"]) == 2
    assert "from a clone" in capsys.readouterr().err


def test_peers_are_asked_for_the_same_quantities() -> None:
    from weighbridge.measure.accuracy.peers import peers

    found = peers([])
    assert len(found) == 31
    assert all(each.ours == each.true for each in found)


def test_own_measurements_stand_beside_their_plans(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The catalogue knows the weights of Llama-3.2-1B: 2,471,628,800 bytes in 16 bit."""
    from weighbridge.measure.points import make_point
    from weighbridge.measure.record import Record
    from weighbridge.term import Term

    size = 2_471_628_800
    record = Record(
        make_point({"model": "llama-3.2-1b", "weights": "bf16", "device": "cuda"}),
        {"device": "cuda", "card": "NVIDIA A10", "memory": 23_028 * 2**20},
        {"transformers": "5.23.0"},
        (Term("weights", 0, "resident", size, size, size, "measured", "seen"),),
    )
    place = str(tmp_path / "s.db")
    keep([record.to_dict()], place)
    assert main(["accuracy", "--set", "own", "--store", place, "--json", "--every"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["figures"]
    assert found["quantity"].startswith("inference weights")
    assert abs(found["error"]) < 0.001
