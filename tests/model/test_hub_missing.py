"""Without huggingface_hub the Hub is one sentence away, and nothing else needs it."""

from __future__ import annotations

import sys

import pytest

import weighbridge as wb
from weighbridge.cli import main


@pytest.mark.parametrize("name", ["org/model", "hf:gpt2", "Qwen/Qwen3-8B@main", "qwen/qwen3-8bb"])
def test_one_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert main([name]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "pip install 'weighbridge[hub]'" in err
    if name.startswith("qwen/"):
        assert "qwen3-8b" in err


def test_the_catalogue_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert wb.plan("Qwen/Qwen3-8B").model.parameters > 8 * 10**9
