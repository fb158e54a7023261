"""`weigh check`: expectations that hold, that do not, and files that are wrong."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import weighbridge as wb
from weighbridge.check.expectations import EXPECTATIONS, judge
from weighbridge.cli import main
from weighbridge.errors import RequestError, UnitError

EXAMPLE = Path(__file__).parents[2] / "examples" / "pipelines" / "plan.toml"
CARD = '[[plan]]\nname = "a"\nmodel = "llama-3.1-8b"\non = "rtx-4090"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "plan.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_example_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(EXAMPLE)]) == 0
    assert "3 of 3 hold" in capsys.readouterr().out


def test_figures_are_those_of_the_plan(tmp_path: Path) -> None:
    plan = wb.plan("llama-3.1-8b", on="rtx-4090")
    for figure, name in (
        (plan.devices[0].total, "device_at_most"),
        (plan.total, "total_at_most"),
    ):
        exact = CARD + f'expect = {{ {name} = "{figure}B" }}\n'
        less = exact.replace(f'"{figure}B"', f'"{figure - 1}B"')
        assert wb.check(written(tmp_path, exact)).holds
        assert not wb.check(written(tmp_path, less)).holds


@pytest.mark.parametrize("row", EXPECTATIONS, ids=lambda row: row.name)
def test_every_expectation_finds_its_figure_and_can_fail(row: object) -> None:
    name, kind, most = row.name, row.kind, row.most  # type: ignore[attr-defined]
    if name.startswith(("step", "training")):
        answer = wb.train("llama-3.1-8b", on="8xh100", sharding="fsdp2").to_dict()
    elif name.startswith("host"):
        answer = wb.plan("llama-3.1-8b", on="8GiB", device_map="auto").to_dict()
    else:
        answer = wb.plan("llama-3.1-8b", on="rtx-4090", engine="vllm", context=8192).to_dict()
    if kind == "flag":
        answer = wb.plan("llama-3.1-8b", on="rtx-4090").to_dict()
        assert judge(name, True, answer).holds
        assert not judge(name, False, answer).holds
        return
    met, unmet = (10**18, 0) if most else (0, 10**18)
    assert judge(name, met, answer).holds
    assert not judge(name, unmet, answer).holds
    assert "no such figure" not in judge(name, met, answer).said


def test_what_is_not_met_fails_with_its_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, CARD + 'expect = { free_at_least = "20GiB" }\n')
    junit = tmp_path / "out.xml"
    assert main(["check", str(path), "--junit", str(junit)]) == 1
    assert "✗ what is left on the fullest device: 5.92 GiB" in capsys.readouterr().out
    suite = ET.parse(junit).getroot()[0]
    assert suite.attrib["failures"] == "1"
    assert "5.92 GiB" in suite[0][0].attrib["message"]


def test_what_does_not_fit_may_be_expected(tmp_path: Path) -> None:
    small = CARD.replace("rtx-4090", "t4")
    assert not wb.check(written(tmp_path, small)).holds
    assert wb.check(written(tmp_path, small + "expect = { fits = false }\n")).holds


def test_an_entry_that_cannot_be_planned_does_not_hide_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, CARD.replace("llama-3.1-8b", "no-such-model").replace('"a"', '"b"')
                   + CARD)  # fmt: skip
    assert main(["check", str(path), "--json"]) == 2
    report = json.loads(capsys.readouterr().out)
    assert [each["holds"] for each in report["entries"]] == [False, True]
    assert "not in the catalogue" in report["entries"][0]["error"]
    assert report["schema"] == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "nothing to check"),
        ("[[plan", "is no TOML"),
        ("plan = 3", "is no list of tables"),
        ('[other]\nx = 1\n[[plan]]\nmodel = "7B"', "has 'other'"),
        ('[[plan]]\nname = "a"', "names no model"),
        ("[[plan]]\nmodel = 3", "not text"),
        ('[[train]]\ncommand = "vllm serve x"', r"commands are read in \[\[plan\]\]"),
        (CARD + "expect = { speed = 1 }", "not known"),
        (CARD + "expect = { fits = 1 }", "true or false"),
        (CARD + 'expect = { time_per_token_at_most = "20" }', "with its unit"),
        (CARD + "expect = { concurrency_at_least = -1 }", "0 or more"),
        (CARD + CARD, "two entries named 'a'"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        wb.check(written(tmp_path, text))


def test_a_size_needs_its_unit(tmp_path: Path) -> None:
    with pytest.raises(UnitError, match="device_at_most"):
        wb.check(written(tmp_path, CARD + 'expect = { device_at_most = "20G" }'))


def test_a_file_that_is_not_there_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "no-such.toml"]) == 2
    assert "no-such.toml cannot be read" in capsys.readouterr().err


def test_names_cannot_break_the_report(tmp_path: Path) -> None:
    from weighbridge.show.check import check_to_junit

    path = written(tmp_path, CARD.replace('name = "a"', 'name = "<\\"&\\u0007]]>"'))
    ET.fromstring(check_to_junit(wb.check(path)))
