"""Pickles and ONNX files: never opened, counted by their size, and said so."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import weighbridge as wb
from weighbridge.errors import ModelReferenceError
from weighbridge.model import catalog
from weighbridge.model.load import load_model
from weighbridge.model.unopened import chosen_files

GPT2 = 124_439_808


def folder_of(path: Path, config: bool = True, **sizes: int) -> Path:
    """Files that would take space if their holes were filled."""
    path.mkdir(exist_ok=True)
    for name, size in sizes.items():
        with open(path / name, "wb") as file:
            file.truncate(size)
    if config:
        row = catalog.find("gpt2")
        assert row is not None
        (path / "config.json").write_text(json.dumps(row.config))
    return path


@pytest.fixture(autouse=True)
def nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """No byte of such a file may be read."""
    from weighbridge.model import bounded

    real = bounded.read_exactly

    def watched(file: object, count: int, where: str) -> bytes:
        assert where.endswith(".json"), where
        return real(file, count, where)  # type: ignore[arg-type]

    monkeypatch.setattr(bounded, "read_exactly", watched)


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (GPT2 * 4 + 20_000, "as large"),
        (GPT2 * 8, "100% more than"),
        (GPT2 * 2, "50% less than"),
    ],
)
def test_with_a_known_config_the_family_counts(tmp_path: Path, size: int, said: str) -> None:
    folder = folder_of(tmp_path / "m", **{"pytorch_model.bin": size, "training_args.bin": 999})
    plan = wb.plan(str(folder))
    assert plan.model.parameters == GPT2
    assert plan.term("weights") == GPT2 * 4
    note = next(note for note in plan.assumptions if "never opened" in note)
    assert said in note
    assert f"{size:,} bytes" in note


def test_without_a_config_the_size_is_all(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "m", config=False, **{"model.pt": 2 * 10**9})
    plan = wb.plan(str(folder), on="rtx-4090")
    (term,) = [term for term in plan.terms if term.name == "weights"]
    assert term.bytes == 2 * 10**9
    assert term.basis == "assumed"
    assert term.low <= 10**9 + 1
    assert term.high >= 2 * 10**9
    assert any("never opened" in note for note in plan.assumptions)
    assert plan.basis == "assumed"


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (("pytorch_model.bin", "optimizer.pt", "scheduler.pt", "rng_state_0.pth"), 1),
        (("pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin", "x.bin"), 2),
        (("consolidated.00.pth", "consolidated.01.pth"), 2),
        (("model.onnx", "model.onnx_data", "model_fp16.onnx"), 2),
        (("encoder_model.onnx", "decoder_model.onnx"), 2),
        (("training_args.bin", "config.json", "tokenizer.model"), 0),
        (("pytorch_model.bin", "model.onnx"), 1),
    ],
)
def test_which_files_are_counted(names: tuple[str, ...], chosen: int) -> None:
    assert len(chosen_files(set(names))) == chosen


def test_onnx(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "m", **{"model.onnx": 10**6, "model.onnx_data": GPT2 * 4})
    assert "the ONNX weights (2 files" in " ".join(load_model(str(folder)).notes)


def test_a_trainer_s_leavings_beside_a_config(tmp_path: Path) -> None:
    assert load_model(str(folder_of(tmp_path / "m", **{"training_args.bin": 5}))).basis == "config"


def test_nothing_to_weigh(tmp_path: Path) -> None:
    with pytest.raises(ModelReferenceError, match="no weights that can be read"):
        load_model(str(folder_of(tmp_path / "m", config=False, **{"readme.md": 5})))
    with pytest.raises(ModelReferenceError, match=r"put the model's config\.json there"):
        load_model(str(folder_of(tmp_path / "n", config=False, **{"model.bin": 5})))


def test_a_link_out_of_the_folder_is_not_even_measured(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "m")
    os.symlink("/etc/passwd", folder / "pytorch_model.bin")
    with pytest.raises(Exception, match="leads out of its folder"):
        load_model(str(folder))
