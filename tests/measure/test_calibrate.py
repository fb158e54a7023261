"""Constants fitted on one's own rows: found again, held out, cited, and never used in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import weighbridge as wb
from weighbridge.cli import main
from weighbridge.errors import CalibrationError
from weighbridge.measure.calibrate.fit import fit_all
from weighbridge.measure.calibrate.known import published
from weighbridge.measure.calibrate.samples import Sample, samples
from weighbridge.measure.record import Quantity, Record
from weighbridge.measure.store.rows import row_of
from weighbridge.term import Term
from weighbridge.units import GIB, MIB

pytest.importorskip("scipy")
MODELS = ("meta-llama/Llama-3.1-8B", "Qwen/Qwen3-8B", "mistralai/Mistral-7B-v0.1")
CENTRE = "NVIDIA data-centre"


def vllm_log(model: str, outside: int, version: str = "0.32.0") -> dict[str, Any]:
    term = {"name": "workspace", "device": 0, "phase": "resident", "bytes": outside,
            "low": outside, "high": outside, "basis": "measured", "formula": "as printed",
            "inputs": {}, "source": "line 1"}  # fmt: skip
    return {"schema": 1, "kind": "log", "engine": "vllm", "version": version, "model": model,
            "settings": {}, "cards": ["NVIDIA H100 80GB HBM3"], "terms": [term]}  # fmt: skip


def sample(family: str, size: int, moving: int = 0, name: str = "outside") -> Sample:
    return Sample(name, "vllm", "0.32", CENTRE, 1, family, size, moving, "")


def write(path: Path, records: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


@pytest.fixture
def calibration(tmp_path: Path) -> str:
    rows = [vllm_log(m, size * MIB) for m in MODELS for size in (700, 705, 710)]
    out = str(tmp_path / "mine.json")
    rows_file = write(tmp_path / "rows.jsonl", rows)
    assert main(["calibrate", "--memory", "--from", rows_file, "--out", out]) == 0
    return out


def outside(**options: Any) -> Term:
    plan = wb.plan("llama-3.1-8b", on="h100", engine="vllm==0.32.0", **options)
    (term,) = [t for t in plan.terms if (t.name == "workspace" and "torch" in t.formula + t.source)
               or t.formula.startswith("outside")]  # fmt: skip
    return term


def test_a_constant_is_found_again_among_odd_rows() -> None:
    odd = [sample("c", 5 * GIB)]
    rows = [sample(f, (700 + n) * MIB) for f in "abc" for n in range(5)] + odd
    (fit,) = fit_all(rows, published)
    assert abs(fit.base - 702 * MIB) < 8 * MIB
    assert fit.held_out
    assert fit.kept
    assert fit.low < 702 * MIB < fit.high


def test_a_share_of_what_moves_is_found_again() -> None:
    rows = [sample(f, 100 * MIB + n * 3 * MIB, n * 10 * MIB, "reserve")
            for f in "ab" for n in range(1, 30)]  # fmt: skip
    (fit,) = fit_all(rows, lambda each: 390 * MIB)
    assert abs(fit.share - 0.3) < 0.01
    assert abs(fit.base - 100 * MIB) < 3 * MIB


def test_a_fit_that_left_out_families_do_not_bear_out_is_not_kept() -> None:
    known = published(sample("a", 0))
    rows = [sample("a", known - 60 * MIB), sample("b", known + 60 * MIB), sample("c", known)]
    (fit,) = fit_all(rows, published)
    assert not fit.kept


def test_too_few_rows_and_one_family_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = write(tmp_path / "two.jsonl", [vllm_log(MODELS[0], s * MIB) for s in (700, 701)])
    assert main(["calibrate", "--memory", "--from", two]) == 2
    assert "2 rows hold 2 samples" in capsys.readouterr().err
    one = write(tmp_path / "one.jsonl", [vllm_log(MODELS[0], s * MIB) for s in (700, 701, 702)])
    assert main(["calibrate", "--memory", "--from", one]) == 0
    assert "same rows" in capsys.readouterr().out


def test_a_measurement_gives_context_and_hoard() -> None:
    record = Record(
        {"kind": "inference", "model": "llama-3.2-1b"},
        {"device": "cuda", "card": "NVIDIA H100 80GB HBM3"},
        {"transformers": "5.23.0"},
        (Term("context", 0, "resident", 500 * MIB, 0, GIB, "measured", "seen"),
         Term("weights", 0, "resident", 2 * GIB, 0, 9 * GIB, "measured", "seen")),
        (Quantity("reserved_peak", "prefill", "bytes", (4 * GIB,)),
         Quantity("allocated_peak", "prefill", "bytes", (3 * GIB,))),
    )  # fmt: skip
    found = {each.name: each for each in samples([row_of(record.to_dict(), "x")])}
    assert found["context"].bytes == 500 * MIB
    assert (found["reserve"].bytes, found["reserve"].moving) == (GIB, GIB)
    assert {each.key[1:4] for each in found.values()} == {("transformers", "5.23", CENTRE)}


def test_a_plan_cites_the_calibration_and_its_cache_follows(calibration: str) -> None:
    before, after = outside(), outside(calibration=calibration)
    assert before.bytes != after.bytes
    assert abs(after.bytes - 705 * MIB) < 2 * MIB
    assert after.basis == "calibrated"
    assert "mine.json" in after.source
    assert "9 rows of vllm 0.32" in after.source
    plain = wb.plan("llama-3.1-8b", on="h100", engine="vllm==0.32.0")
    own = wb.plan("llama-3.1-8b", on="h100", engine="vllm==0.32.0", calibration=calibration)
    assert own.term("kv_cache") < plain.term("kv_cache")
    assert any("calibrated by" in each and "mine.json" in each for each in own.assumptions)


def test_another_version_or_class_is_not_calibrated_and_says_so(calibration: str) -> None:
    plan = wb.plan("llama-3.1-8b", on="h100", engine="vllm==0.30.0", calibration=calibration)
    assert any("not calibrated" in each and "0.32" in each for each in plan.assumptions)
    other = wb.plan("llama-3.1-8b", on="h100", calibration=calibration)
    assert any("says nothing of transformers" in each for each in other.assumptions)
    consumer = wb.plan("llama-3.1-8b", on="rtx-4090", engine="vllm==0.32.0",
                       calibration=calibration)  # fmt: skip
    assert "mine.json" not in " ".join(term.source for term in consumer.terms)


def test_the_users_own_file_is_used_only_with_a_word(
    calibration: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "settings" / "weighbridge"
    folder.mkdir(parents=True)
    (folder / "calibration.json").write_bytes(Path(calibration).read_bytes())
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    plan = wb.plan("llama-3.1-8b", on="h100", engine="vllm==0.32.0")
    assert any("calibrated by" in each for each in plan.assumptions)
    assert "calibrated by" in str(plan)
    plain = wb.plan("llama-3.1-8b", on="h100", engine="vllm==0.32.0", calibration="none")
    assert not any("calibrated by" in each for each in plain.assumptions)


def test_context_and_hoard_of_transformers_are_calibrated(tmp_path: Path) -> None:
    one = {"engine": "transformers", "version": "5.23", "class": CENTRE, "ranks": 1, "rows": 9}
    constants = [
        {**one, "name": "context", "typical": 600 * MIB, "low": 1, "high": GIB, "share": 0},
        {**one, "name": "reserve", "typical": 50 * MIB, "low": 0, "high": GIB, "share": 100_000},
    ]
    file = tmp_path / "c.json"
    file.write_text(json.dumps({"schema": 1, "kind": "memory constants", "made": "2026-01-02",
                                "constants": constants}))  # fmt: skip
    plan = wb.plan("llama-3.1-8b", on="h100", calibration=str(file), engine="transformers==5.23.0")
    assert plan.term("context") == 600 * MIB
    (reserve,) = [term for term in plan.terms if term.name == "reserve"]
    moving = reserve.inputs["comes and goes"]
    assert reserve.bytes == 50 * MIB + moving // 10
    assert "c.json of 2026-01-02" in reserve.source
    swept = wb.sweep("llama-3.1-8b", on="h100", calibration=str(file), context=[plan.context],
                     engine="transformers==5.23.0")  # fmt: skip
    assert swept.totals[0][0] == plan.total


GOOD = {"name": "context", "engine": "vllm", "version": "0.32", "class": CENTRE, "ranks": 1,
        "typical": 5, "low": 1, "high": 9, "share": 0, "rows": 3}  # fmt: skip
BROKEN: list[tuple[Any, str]] = [
    ("{", "not JSON"),
    ("[]", "object is needed"),
    ({}, "no calibration"),
    ({"kind": "memory constants", "schema": 2, "constants": []}, "fit it anew"),
    ({"kind": "memory constants", "schema": 1, "constants": 7}, "no list"),
    *(({"kind": "memory constants", "schema": 1, "constants": [{**GOOD, **change}]}, "cannot be")
      for change in ({"name": "x"}, {"low": 6}, {"typical": 5.5}, {"high": -1}, {"share": 2**60})),
    ({"kind": "memory constants", "schema": 1, "constants": [{}]}, "cannot be"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "said"), BROKEN)
def test_a_bad_file_is_one_sentence(
    content: Any, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bad.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    arguments = ["llama-3.1-8b", "--on", "h100", "--engine", "vllm==0.32.0"]
    assert main([*arguments, "--calibration", str(file)]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_a_missing_file_is_one_sentence() -> None:
    with pytest.raises(CalibrationError, match="does not exist"):
        wb.plan("llama-3.1-8b", calibration="/nowhere/c.json")


def test_a_calibration_of_speed_times_a_plan(tmp_path: Path) -> None:
    runs, out = tmp_path / "runs.json", str(tmp_path / "speed.json")
    runs.write_text('{"sequences": 1, "input_tokens": 99, "seconds_per_token": 0.03}')
    common = ["llama-3.1-8b", "--on", "h100", "--engine", "vllm"]
    assert main(["calibrate", *common, "--from", str(runs), "--out", out]) == 0
    own = wb.plan("llama-3.1-8b", on="h100", engine="vllm", calibration=out)
    plain = wb.plan("llama-3.1-8b", on="h100", engine="vllm")
    assert own.to_dict()["speed"]["decode"] != plain.to_dict()["speed"]["decode"]
    assert any("speed calibrated by" in each for each in own.assumptions)
    other = wb.plan("llama-3.1-8b", on="a100-sxm-80gb", engine="vllm", calibration=out)
    assert any("speed is not calibrated" in each for each in other.assumptions)
