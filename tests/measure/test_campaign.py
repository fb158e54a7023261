"""Campaigns: order, resumption, limits, and that a kill loses and doubles nothing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from weighbridge.errors import FileFormatError, InputError, RequestError
from weighbridge.measure.campaign import REDUCED, SHIPPED, alone, load, run
from weighbridge.measure.points import make_point
from weighbridge.measure.record import Record, read

MACHINE = {"auto": {"device": "cpu", "card": None}}
MATRIX = """
repeats = 2
[[points]]
kind = "product"
m = [1, 64, 8]
n = [16, 32]
k = 16
reduced = { m = 2, n = 2 }
[[points]]
kind = "context"
framework = ["torch", "peft"]
"""


def fake(point: dict[str, Any], **how: Any) -> Record:
    return Record(point, {"device": "cpu", "card": None}, {}, repeats=how["repeats"])


def campaign_file(folder: Path) -> str:
    path = folder / "matrix.toml"
    path.write_text(MATRIX)
    return str(path)


def test_the_hardest_comes_first_and_tables_take_turns(tmp_path: Path) -> None:
    points = load(campaign_file(tmp_path)).points
    assert [each["kind"] for each in points[:4]] == ["product", "context"] * 2
    products = [each["m"] * each["n"] for each in points if each["kind"] == "product"]
    assert products == sorted(products, reverse=True)
    assert len(points) == 8


def test_reduced_values_stand_for_the_campaign_and_say_so(tmp_path: Path) -> None:
    small = load(campaign_file(tmp_path), reduced=True)
    assert [each["m"] for each in small.points] == [2]
    run(small, tmp_path / "r.jsonl", MACHINE, fake)
    (found,) = read(tmp_path / "r.jsonl")
    assert REDUCED in found.notes


def test_it_goes_on_where_it_was_ended(tmp_path: Path) -> None:
    path, wanted = tmp_path / "r.jsonl", load(campaign_file(tmp_path))
    first = run(wanted._replace(points=wanted.points[:3]), path, MACHINE, fake)
    second = run(wanted, path, MACHINE, fake)
    assert (first.measured, second.measured, second.before) == (3, 5, 3)
    assert run(wanted, path, MACHINE, fake).measured == 0
    other = {"auto": {"device": "cuda", "card": "another"}}
    assert run(wanted, path, other, fake).measured == 8


def test_a_time_limit_stops_between_points(tmp_path: Path) -> None:
    path, wanted = tmp_path / "r.jsonl", load(campaign_file(tmp_path))

    def slow(point: dict[str, Any], **how: Any) -> Record:
        time.sleep(0.05)
        return fake(point, **how)

    done = run(wanted, path, MACHINE, slow, time_limit=0.12)
    assert done.stopped == "time limit"
    assert done.measured + done.left == 8
    assert len([*read(path)]) == done.measured < 8


def test_what_the_limit_cut_is_not_written_as_a_failure(tmp_path: Path) -> None:
    path, wanted = tmp_path / "r.jsonl", load(campaign_file(tmp_path))

    def cut(point: dict[str, Any], **how: Any) -> Record:
        time.sleep(how["seconds"])
        return fake(point, **how)._replace(failed={"what": "stopped", "message": "late"})

    assert run(wanted, path, MACHINE, cut, time_limit=0.05).measured == 0
    assert not path.exists()


def test_a_failure_is_a_result_too(tmp_path: Path) -> None:
    path, wanted = tmp_path / "r.jsonl", load(campaign_file(tmp_path))

    def fails(point: dict[str, Any], **how: Any) -> Record:
        return fake(point, **how)._replace(failed={"what": "out of memory", "message": "much"})

    assert run(wanted, path, MACHINE, fails).failed == 8
    assert run(wanted, path, MACHINE, fails).measured == 0


KILLED = """
import sys, time, random
from pathlib import Path
sys.path.insert(0, {tests!r})
from measure.test_campaign import MACHINE, fake
from weighbridge.measure.campaign import load, run
def slow(point, **how):
    time.sleep(random.random() * 0.004)
    return fake(point, **how)
run(load({campaign!r}), Path({path!r}), MACHINE, slow)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_at_random_points_nothing_is_lost_and_nothing_doubled(tmp_path: Path) -> None:
    campaign, path = tmp_path / "big.toml", tmp_path / "r.jsonl"
    campaign.write_text('[[points]]\nkind = "product"\nm = ' + str([*range(1, 81)]) + "\nn = 8\n")
    tests = str(Path(__file__).parent.parent)
    program = KILLED.format(tests=tests, campaign=str(campaign), path=str(path))
    draw, kills = random.Random(7), 0
    for attempt in range(12):
        child = subprocess.Popen([sys.executable, "-c", program])
        until = time.monotonic() + 30
        size = path.stat().st_size if path.exists() else 0
        while attempt < 5 and child.poll() is None and time.monotonic() < until:
            now = path.stat().st_size if path.exists() else 0
            if now > size + 4000:  # it has begun to write: let it go a random way on
                time.sleep(draw.random() * 0.05)
                break
            time.sleep(0.001)
        if attempt < 5 and child.poll() is None:
            os.kill(child.pid, signal.SIGKILL)
            kills += 1
        if child.wait() == 0:
            break
        before = [record.key for record in read(path)]
        assert len(before) == len(set(before))
    counted = Counter(record.point["m"] for record in read(path))
    assert counted == dict.fromkeys(range(1, 81), 1)
    assert kills >= 2


def test_two_campaigns_do_not_write_to_one_file(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    with (
        alone(tmp_path / "r.jsonl"),
        pytest.raises(RequestError, match="another campaign"),
        alone(tmp_path / "r.jsonl"),
    ):
        pass


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda each: each.stem)
def test_what_ships_can_be_read_and_planned(path: Path) -> None:
    campaign = load(path.stem)
    assert campaign.name == path.stem
    assert len(campaign.points) > 20


def test_the_campaign_of_a_card_covers_what_it_says() -> None:
    points = load("h100-80gb").points
    assert {each["kind"] for each in points} == {
        "inference", "training", "context", "product", "copy"
    }  # fmt: skip
    architectures = {each["model"] for each in points if each.get("attn_implementation") == "eager"}
    assert len(architectures) == 5
    assert {each["method"] for each in points if each["kind"] == "training"} == {"full", "lora"}


@pytest.mark.parametrize(
    "text",
    ["", "points = 3", "[[points]]\nkind = 'x'", "[[points]]\nkind='copy'\nbytes=-1", "]",
     "[[points]]\nkind='product'\nm=[1,2]\ncolour='red'", "repeats='x'\n[[points]]\nkind='copy'",
     "[[points]]\nkind='product'\n" + "".join(f"{x}={[*range(1, 101)]}\n" for x in "mnk")],
)  # fmt: skip
def test_a_bad_campaign_is_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises((FileFormatError, InputError)) as caught:
        load(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [{"kind": "inference"}, {"model": "gpt2", "weights": "q9"}, {"model": "gpt2", "seq_len": 3},
     {"model": "gpt2", "concurrency": 0}, {"kind": 3}, {"kind": "training", "model": "gpt2",
     "method": "qlora"}],
)  # fmt: skip
def test_a_point_that_makes_no_sense_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        make_point(given)
