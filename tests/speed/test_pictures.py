"""Pictures and history: files of the right kind, figures from the tables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from weighbridge.cli import main
from weighbridge.speed.history import history


def test_history_grows_and_names_its_largest() -> None:
    for series in history():
        assert len(series.best) >= 3
        assert series.growth > 1
        values = [point.value for point in series.best]
        assert values == sorted(values)
        for best in series.best:
            until = [p for p in series.points if p.year <= best.year]
            assert best.value == max(p.value for p in until)
            assert best.name in {p.name for p in until if p.value == best.value}


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_pictures_are_drawn(tmp_path: Path, ending: str) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / f"speed.{ending}"
    given = ["speed", "gpt2", "--on", "t4", "--engine", "vllm", "--plot", str(path)]
    assert main(given) == 0
    start = path.read_bytes()[:300]
    assert (b"<svg" in start or b"<?xml" in start) if ending == "svg" else start[1:4] == b"PNG"


@pytest.mark.parametrize(
    ("path", "what"),
    [("speed.pdf", "neither .svg nor .png"), ("nowhere/speed.svg", "there is no folder")],
    ids=["ending", "folder"],
)
def test_a_picture_that_cannot_be_written_is_refused(
    capsys: pytest.CaptureFixture[str], path: str, what: str
) -> None:
    pytest.importorskip("matplotlib")
    assert main(["speed", "gpt2", "--on", "t4", "--engine", "vllm", "--plot", path]) == 2
    assert what in capsys.readouterr().err


@pytest.mark.parametrize("language", ["tr", "fa-u-nu-arabext", "zh"])
def test_labels_of_an_svg_are_in_the_language_asked_for(tmp_path: Path, language: str) -> None:
    """Labels with a letter that English has none of, and what is the same everywhere."""
    pytest.importorskip("matplotlib")
    path = tmp_path / "speed.svg"
    given = ["speed", "gpt2", "--on", "t4", "--engine", "vllm", "--plot", str(path)]
    assert main([*given, "--lang", language]) == 0
    labels = re.findall(r"<text[^>]*>([^<]+)</text>", path.read_text(encoding="utf-8"))
    same = {"decode", "prefill", "istemdeki token", "openai-community/gpt2, T4, vllm"}
    left = [each for each in labels if re.search("[A-Za-z]{3}", each) and each not in same]
    assert labels
    assert not [each for each in left if each.isascii()]
