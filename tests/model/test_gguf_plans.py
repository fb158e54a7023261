"""``weigh FILE.gguf``: the bytes of the file, and what another engine would make of them."""

from __future__ import annotations

from pathlib import Path

import pytest

import gguf_models
import weighbridge as wb
from gguf_files import write
from weighbridge.cli import main
from weighbridge.errors import ModelReferenceError


@pytest.mark.parametrize(
    ("model", "kv"),
    [
        pytest.param(gguf_models.qwen3_4b("Q8_0"), 147_456, id="qwen3-4b"),
        pytest.param(gguf_models.qwen3_30b(), 98_304, id="qwen3-30b-a3b"),
        pytest.param(gguf_models.deepseek_v3(), 70_272, id="deepseek-v3"),
    ],
)
def test_a_plan_of_a_file(tmp_path: Path, model: tuple, kv: int) -> None:
    path = write(tmp_path / "model.gguf", *model)
    plan = wb.plan(path, context=8192, on="rtx-4090")
    assert plan.model.stored is not None
    assert plan.term("weights") == plan.model.stored.total_bytes
    assert plan.to_dict()["kv"]["bytes_per_token"] == kv
    assert any("Transformers would dequantize" in note for note in plan.assumptions)
    (weights,) = (term for term in plan.terms if term.name == "weights")
    assert weights.basis == "header"


def test_a_plain_file_is_not_said_to_be_dequantized(tmp_path: Path) -> None:
    plan = wb.plan(write(tmp_path / "model.gguf", *gguf_models.qwen3_4b("BF16")))
    assert not any("dequantize" in note for note in plan.assumptions)
    assert plan.settings["weights"] == "bf16"


def test_other_weights_may_be_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "model.gguf", *gguf_models.llama_31_8b("Q8_0"))
    assert wb.plan(path, weights="bf16").term("weights") == 16_060_522_496


def test_weights_are_conserved_over_two_cards(tmp_path: Path) -> None:
    path = write(tmp_path / "model.gguf", *gguf_models.qwen3_30b())
    plan = wb.plan(path, on="2xrtx-4090")
    assert plan.model.stored is not None
    assert plan.term("weights") == plan.model.stored.total_bytes


@pytest.mark.parametrize("engine", ["transformers==4.38.2", "transformers==4.46.0"])
def test_older_versions_plan_too(tmp_path: Path, engine: str) -> None:
    path = write(tmp_path / "model.gguf", *gguf_models.llama_31_8b("Q4_K"))
    assert wb.plan(path, engine=engine).term("weights") > 4 * 10**9


@pytest.mark.parametrize("weights", ["q4_k_m", "iq4_xs", "q8_0", "mxfp4_moe", "exl3-4.0bpw"])
def test_mixtures_plan_from_a_config(weights: str) -> None:
    plan = wb.plan("llama-3.1-8b", weights=weights, on="2xrtx-4090")
    assert 4 * 10**9 < plan.term("weights") < 9 * 10**9
    assert plan.term("weights") == wb.plan("llama-3.1-8b", weights=weights).term("weights")


def test_the_command_line_reads_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "model.gguf", *gguf_models.qwen3_4b("Q8_0"))
    assert main([str(path), "--on", "rtx-4090", "--json"]) == 0
    assert '"basis": "header"' in capsys.readouterr().out
    (tmp_path / "bad.gguf").write_bytes(b"GGUF")
    assert main([str(tmp_path / "bad.gguf")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelReferenceError, match="does not exist"):
        wb.plan(tmp_path / "nothing.gguf")
