"""Families against counts that were taken from the real classes, row by row.

``tests/truth/model_counts.jsonl`` holds, for checkpoints of many families, the parameters of the
class of Transformers 5.23.0 on the meta device, the bytes that a further token adds to a 16-bit
cache once every window is full, and the bytes that the full windows hold (Transformers keeps one
token less than the window).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from weighbridge.memory.cache import cache_elements, elements_per_token, visible_tokens
from weighbridge.model.facts import CacheStream
from weighbridge.model.load import load_model

FILE = Path(__file__).parent.parent / "truth" / "model_counts.jsonl"
ROWS: list[dict[str, Any]] = [json.loads(line) for line in FILE.read_text().splitlines()]
COUNTED = [row for row in ROWS if "parameters" in row]
CACHED = [row for row in ROWS if "per_token" in row]

# Where the class that was counted is not the checkpoint.
CORRECTED = {
    "XiaomiMiMo/MiMo-V2-Flash": "the count is for 127 kept tokens; the class makes the window 129 "
    "from sliding_window_size = 128, and keeps 128",
}
# Towers of the checkpoint that the copy of its config, which was counted, leaves out.
LEFT_OUT = {"google/gemma-4-E2B-it": ("audio",), "google/gemma-4-E4B-it": ("audio",)}


def one_less(stream: CacheStream, tokens: Any) -> Any:
    """What Transformers keeps of a window."""
    window = None if stream.window is None else stream.window - 1
    return visible_tokens(stream._replace(window=window), tokens)


@pytest.mark.parametrize("row", COUNTED, ids=[row["id"] for row in COUNTED])
def test_parameters_are_those_of_the_class(row: dict[str, Any]) -> None:
    model = load_model(row["id"])
    uncounted = sum(
        tower.elements for tower in model.towers if tower.name in LEFT_OUT.get(row["id"], ())
    )
    assert model.parameters - uncounted == row["parameters"]


@pytest.mark.parametrize("row", CACHED, ids=[row["id"] for row in CACHED])
def test_the_cache_is_that_of_the_layout(row: dict[str, Any]) -> None:
    layers = load_model(row["id"]).layer_groups()
    assert 2 * elements_per_token(layers, kept=one_less) == row["per_token"]
    far = 2**20
    windows = 2 * cache_elements(layers, far, kept=one_less) - far * row["per_token"]
    if row["id"] in CORRECTED:
        assert windows == row["windows"] * 128 // 127, CORRECTED[row["id"]]
    else:
        assert windows == row["windows"]


# bytes of a whole context with 16-bit elements, windows in full
CONTEXTS = [
    ("llama-4-scout", 131_072, 7_650_410_496),
    ("minimax-m2", 196_608, 49_928_994_816),
    ("deepseek-v3.2", 131_072, 131_072 * 61 * (512 + 64 + 128) * 2),
    ("glm-5.2", 1_000, 1_000 * (78 * 576 + 21 * 128) * 2),
    ("gemma-3n-e4b", 32_768, 32_768 * 8_192 + 16 * 512 * 1_024 * 2),
    ("step3", 1_000, 1_000 * 61 * 2 * 256 * 2),
    ("dots3-note", 1_000, 1_000 * 13 * (576 + 128) * 2 + 33 * 512 * 1_088 * 2),
    ("mistral-large-4", 1_000, 1_000 * (54 * 576 + 18 * 512 + 72 * 128) * 2),
]


@pytest.mark.parametrize(("name", "tokens", "total"), CONTEXTS, ids=[c[0] for c in CONTEXTS])
def test_a_context_holds_what_the_layers_keep(name: str, tokens: int, total: int) -> None:
    assert 2 * cache_elements(load_model(name).layer_groups(), tokens) == total


def test_cross_attention_keeps_image_tokens_and_nothing_of_the_text() -> None:
    layers = load_model("llama-3.2-11b").layer_groups()
    text = cache_elements(layers, 1_000)
    assert 2 * text == 131_072 * 1_000
    picture = cache_elements(layers, 1_000, image_tokens=6_404) - text
    assert picture == 8 * 6_404 * 2 * 8 * 128


def test_images_say_what_they_cost() -> None:
    assert any("576 tokens" in note for note in load_model("llava-1.5-7b").notes)
    assert any("6,404 tokens" in note for note in load_model("llama-3.2-11b").notes)
    assert any("144 tokens" in note for note in load_model("llama-4-scout").notes)
    assert any("28 × 28 pixels" in note for note in load_model("qwen2.5-vl-7b").notes)


def test_a_text_token_visits_no_expert_of_the_images() -> None:
    model = load_model("ernie-4.5-vl-28b")
    text = load_model("ernie-4.5-21b")
    assert model.active_parameters - model.towers_elements == text.active_parameters
