"""What the fuzzers found, or is worth starting from, replayed without a fuzzer."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORPUS = ROOT / "fuzz" / "corpus"
FILES = sorted(path for path in CORPUS.glob("*/*") if path.is_file())
TARGETS = ("safetensors", "gguf", "config", "sizes")


@pytest.fixture(autouse=True)
def _from_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_only_input_errors_come_out(path: Path) -> None:
    importlib.import_module(f"fuzz.fuzz_{path.parent.name}").one(path.read_bytes())


def test_every_target_has_a_corpus() -> None:
    assert {path.parent.name for path in FILES} == set(TARGETS)
    assert importlib.import_module("fuzz.run").TARGETS == TARGETS
    assert "atheris" not in sys.modules
    assert sum(path.stat().st_size for path in FILES) < 200_000
