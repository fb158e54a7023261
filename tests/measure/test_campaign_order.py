"""A campaign's order, which failures are answers, and which card the tools are asked of."""

from __future__ import annotations

from pathlib import Path

import pytest

from weighbridge.errors import FileFormatError
from weighbridge.measure.campaign import answered, load
from weighbridge.measure.points import make_point
from weighbridge.measure.record import Record, append

TABLES = """
{order}
[[points]]
kind = "copy"
device = "cpu"
bytes = ["1MiB", "2MiB"]
[[points]]
kind = "product"
device = "cpu"
m = 8
"""


def kinds(folder: Path, order: str) -> list[str]:
    path = folder / "campaign.toml"
    path.write_text(TABLES.format(order=order), encoding="utf-8")
    return [point["kind"] for point in load(str(path)).points]


def test_tables_take_turns_or_come_as_they_stand(tmp_path: Path) -> None:
    assert kinds(tmp_path, "") == ["copy", "product", "copy"]
    assert kinds(tmp_path, 'order = "tables"') == ["copy", "copy", "product"]
    with pytest.raises(FileFormatError, match="order is one of"):
        kinds(tmp_path, 'order = "best"')


def test_the_first_ten_minutes_of_a_card_are_worth_most() -> None:
    first = load("h100-80gb").points[:15]
    assert {point["kind"] for point in first} == {
        "context", "inference", "training", "product", "copy"
    }  # fmt: skip
    assert len({point["model"] for point in first if point["kind"] == "inference"}) == 5


def test_memory_that_ran_out_is_an_answer_and_a_crash_is_not(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    machine = {"device": "cpu", "card": None, "host": {}}
    for rows, what in ((1, "out of memory"), (2, "NameError")):
        point = make_point({"kind": "product", "m": rows, "device": "cpu"})
        append(path, [Record(point, machine, {}, failed={"what": what, "message": ""})])
    assert len(answered(path)) == 1


@pytest.mark.parametrize(
    ("visible", "asked"), [("", "0"), ("3,1", "3"), ("GPU-8a56,GPU-1", "GPU-8a56"), ("-1", "0")]
)
def test_the_tools_are_asked_of_the_card_that_is_seen(
    visible: str, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    from weighbridge.measure.lab.meters import first_visible

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert first_visible() == asked
