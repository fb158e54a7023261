"""What a notebook shows of an answer, and the example notebook."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import weighbridge as wb

ROOT = Path(__file__).parents[2]
CARD: dict[str, Any] = {"on": "rtx-4090", "context": 4096}
ANSWERS = {
    "plan": lambda: wb.plan("llama-3.1-8b", **CARD),
    "train": lambda: wb.train("llama-3.1-8b", method="qlora", on="rtx-4090"),
    "fit": lambda: wb.fit("gpt2", on="t4"),
    "speed": lambda: wb.speed("llama-3.1-8b", on="rtx-4090", engine="vllm", what_if=True),
    "place": lambda: wb.place("gpt2", on="t4", host_memory="16GB"),
    "recommend": lambda: wb.recommend("gpt2", on="t4"),
    "fleet": lambda: wb.fleet("gpt2", on="t4", rate=1.0, input_tokens=64, requests=50),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_has_a_rich_view_that_runs_and_fetches_nothing(name: str) -> None:
    answer = ANSWERS[name]()
    view = answer._repr_html_()
    assert 'class="weighbridge"' in view
    assert not re.search(r"<script|<link|<img|https?://(?!www\.w3\.org)[^<]*\.(js|css)", view)
    plain = html.unescape(re.sub("<[^>]*>", " ", view))
    assert plain.strip()
    # What is said in text is said there too.
    words = re.findall(r"[A-Za-z]{5,}", str(answer).splitlines()[0])
    assert all(word in plain for word in words)


def test_a_rich_view_is_escaped(tmp_path: Path) -> None:
    config = tmp_path / "<b>evil"
    config.mkdir()
    (config / "config.json").write_text(
        '{"model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "vocab_size": 99,'
        '"num_hidden_layers": 2, "num_attention_heads": 4, "architectures": ["LlamaForCausalLM"]}'
    )
    view = wb.fit(str(config), on="t4")._repr_html_()
    assert "<b>evil" not in view
    assert "&lt;b&gt;evil" in view


def test_the_example_notebook_is_what_its_cells_give() -> None:
    pytest.importorskip("nbclient", reason="requirements/test.txt is not installed")
    done = subprocess.run([sys.executable, "-m", "scripts.notebook", "--check"], cwd=ROOT,
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
