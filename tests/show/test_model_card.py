"""The card of a model: what its parts add up to, and what the field publishes of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import gguf_models
from gguf_files import write
from weighbridge.cli import main
from weighbridge.memory.weights import weigh_parameters
from weighbridge.model import catalog
from weighbridge.model.load import load_model
from weighbridge.show.model_card import model_card, model_to_dict, model_to_markdown, parts_of


@pytest.mark.parametrize("row", catalog.rows(), ids=lambda row: row.id)
def test_the_parts_are_the_whole(row: catalog.Row) -> None:
    model = load_model(row.id)
    parts = parts_of(model)
    assert sum(part.parameters for part in parts) == model.parameters
    assert sum(part.active for part in parts) == model.active_parameters
    assert all(0 < part.active <= part.parameters for part in parts)
    card = json.loads(json.dumps(model_card(model)))
    assert card["schema"] == 1
    assert sum(each["count"] for each in card["model"]["layers"]) == len(model.layers)


def test_deepseek_v3_as_its_report_states_it() -> None:
    """arXiv:2412.19437: 671B in all, 37B active; its cache is 70.3 KB per token in 16 bit."""
    facts = model_to_dict(load_model("deepseek-v3"))
    assert facts["parameters"] // 10**9 == 671
    assert facts["active_parameters"] // 10**9 == 37
    assert facts["precision"] == "fp8-block"
    assert facts["cache"]["bytes_per_token"] == 61 * 576 * 2
    contexts = {each["tokens"]: each["bytes"] for each in facts["cache"]["contexts"]}
    assert contexts[131_072] == 61 * 576 * 2 * 131_072
    assert list(contexts) == [4096, 32768, 131072, 163840]
    assert facts["weights"][0]["format"] == "fp8-block"


def test_bytes_are_those_of_a_plan() -> None:
    import weighbridge as wb

    facts = model_to_dict(load_model("llama-3.1-8b"))
    assert facts["license"] is not None
    for each in facts["weights"]:
        if each["format"] in {"bf16", "nf4", "int4-g128", "int8"}:
            plan = wb.plan("llama-3.1-8b", weights=each["format"])
            assert plan.term("weights") == each["bytes"]
    model = load_model("llama-3.1-8b")
    assert weigh_parameters(model.every_parameter(), wb_format("bf16")).total == 16_060_522_496


def wb_format(name: str):
    from weighbridge.formats.table import find_format

    return find_format(name)


def test_the_command_shows_cards_and_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["card", "h100", "--json"]) == 0
    assert "card" in json.loads(capsys.readouterr().out)
    assert main(["card", "Llama-3.1-8B", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"]["parameters"] == 8_030_261_248
    assert main(["card", "gpt-oss-20b"]) == 0
    text = capsys.readouterr().out
    for said in ("4 of 32 experts", "sliding window of 128", "mxfp4", "131,072", "apache-2.0"):
        assert said in text
    assert max(map(len, text.splitlines())) < 200
    assert main(["card", "gpt2", "--format", "markdown"]) == 0
    assert capsys.readouterr().out.startswith("|")
    assert main(["card", "7B", "--json"]) == 0
    capsys.readouterr()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("abacus", "no card is called"),
        ("./nowhere", "does not exist"),
        ("lama-3.1-8b", "did you mean llama-3.1-8b"),
        ("abacus-7b", "no card is called"),
    ],
)
def test_what_is_neither(capsys: pytest.CaptureFixture[str], name: str, said: str) -> None:
    assert main(["card", name]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1


def test_markdown_escapes_what_a_name_may_hold() -> None:
    from weighbridge.records import replace

    model = replace(load_model("gpt2"), id="a|b<script>", notes=("x\x1b[31m|y",))
    text = model_to_markdown(model)
    assert "<script>" not in text
    assert "\x1b" not in text
    assert "a\\|b" in text


def test_a_gguf_file_has_a_card_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "model.gguf", *gguf_models.qwen3_30b())
    assert main(["card", str(path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)["model"]
    stored = facts["stored_bytes"]
    assert sum(part["parameters"] for part in facts["parts"]) == facts["parameters"]
    assert facts["weights"][0]["format"] == facts["precision"]
    assert 0.9 < facts["weights"][0]["bytes"] / stored < 1.1
