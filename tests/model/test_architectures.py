"""Parameters and what layers remember, checkpoint by checkpoint, against counts made elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from weighbridge.engine import Question, parse_engine, spend
from weighbridge.errors import ConfigError
from weighbridge.memory.cache import (
    cache_elements,
    elements_per_token,
    every_token,
    visible_tokens,
)
from weighbridge.model import catalog
from weighbridge.model.config import Config
from weighbridge.model.families import read_model
from weighbridge.model.load import load_model
from weighbridge.request import Deployment, Tokens

TRUTH = Path(__file__).parent.parent / "truth" / "architectures.jsonl"
ROWS = [json.loads(line) for line in TRUTH.read_text(encoding="utf-8").splitlines()]


def expected(layers: list[Any], tokens: int, encoder_tokens: int) -> int:
    """Cached elements by the layouts of the truth row, not by our mixers."""
    total = 0
    for count, kind, size in layers:
        if kind == "none":
            continue
        if kind == "mla":
            total += count * (size["latent"] + size["rope"]) * tokens
            continue
        width = size["kv_heads"] * (size["k_dim"] + size["v_dim"])
        held = min(tokens, size["window"]) if kind == "sliding" else tokens
        if kind == "encdec":
            held += size.get("enc_tokens", encoder_tokens)
        total += count * width * held
    return total


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_parameters_are_those_of_the_architecture(row: dict[str, Any]) -> None:
    assert load_model(row["id"]).parameters == row["parameters"]


@pytest.mark.parametrize("tokens", [1, 100, 5_000, 200_000])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_layers_remember_what_their_layout_says(row: dict[str, Any], tokens: int) -> None:
    model = load_model(row["id"])
    asked = model.encoder_tokens or 700
    held = cache_elements(model.layer_groups(), tokens, encoder_tokens=asked)
    assert held == expected(row["layers"], tokens, asked)


# bytes with 16-bit elements, from the papers' and config.json files' own numbers
PER_TOKEN = {
    "minicpm3-4b": 62 * (256 + 32) * 2,
    "youtu-2b": 32 * 576 * 2,
    "falcon-7b": 8_192,
    "falcon-40b": 122_880,
    "starcoder": 20_480,
    "bloom": 4_014_080,
    "nemotron-super-49b": 200_704,
    "command-r-plus": 262_144,
    "command-a": 65_536,
    "olmo-3-7b": 131_072,
    "exaone-4-32b": 65_536,
    "granite-swash": 12_288,
    "starcoder2-7b": 0,
    "modernbert": 0,
    "jina-embeddings-v3": 0,
    "t5-large": 24 * 2 * 16 * 64 * 2,
}


@pytest.mark.parametrize(("name", "size"), PER_TOKEN.items(), ids=PER_TOKEN)
def test_a_further_token_costs(name: str, size: int) -> None:
    layers = load_model(name).layer_groups()
    assert 2 * elements_per_token(layers, kept=visible_tokens) == size


def test_windows_of_gpt_neo_are_half_of_its_layers() -> None:
    layers = load_model("gpt-neo").layer_groups()
    assert 2 * elements_per_token(layers, kept=every_token) == 327_680
    assert 2 * elements_per_token(layers, kept=visible_tokens) == 163_840


def test_whisper_hears_1500_positions_whatever_is_said() -> None:
    model = load_model("whisper-large-v3")
    cross = cache_elements(model.layer_groups(), 0, encoder_tokens=model.encoder_tokens)
    assert 2 * cross == 32 * 2 * 1280 * 1500 * 2 == 245_760_000
    assert not model.encodes_prompt
    assert load_model("t5-base").encodes_prompt


def cached(name: str, prompt: int, output: int, engine: str = "transformers==5.23.0") -> int:
    question = Question(
        load_model(name),
        parse_engine(engine),
        Deployment(weights="bf16"),
        Tokens(prompt, output),
        1,
    )
    return int(spend(question).cache.bytes_per_sequence)


def test_the_prompt_of_t5_is_the_encoders() -> None:
    """A prompt of 512 and 128 generated: 512 cross positions, one start token and 127 fed back."""
    assert cached("t5-base", 512, 128) == (512 + 128) * 12 * 2 * 768 * 2


def test_the_prompt_of_whisper_is_the_decoders() -> None:
    assert cached("whisper-tiny", 4, 60) == (1500 + 63) * 4 * 2 * 384 * 2


def test_transformers_caches_falcons_grouped_heads_repeated() -> None:
    assert cached("falcon-40b", 100, 1) == 100 * 60 * 2 * 128 * 64 * 2
    assert cached("falcon-7b", 100, 1) == 100 * 32 * 2 * 64 * 2


def test_transformers_keeps_all_of_gpt_neos_windows() -> None:
    assert cached("gpt-neo", 2000, 1) == 2000 * 327_680


def test_gpt2_has_a_head_although_its_class_ends_like_a_bare_model() -> None:
    assert load_model("gpt2").generates
    assert load_model("qwen-7b").generates


def test_flan_t5_holds_its_own_head_and_t5_does_not() -> None:
    assert not load_model("flan-t5-xl").tied
    assert load_model("flan-t5-xl").parameters == 2_849_757_184
    assert load_model("t5-base").tied
    assert load_model("t5-base").parameters == 222_903_552


def test_names_are_unique() -> None:
    names = [name for row in catalog.rows() for name in (row.short, *row.names)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_what_the_files_hold_beside_has_a_reason(row: dict[str, Any]) -> None:
    """Extras follow from shapes."""
    found = catalog.find(row["id"])
    assert found is not None
    model = load_model(row["id"])
    layers, hidden = len(model.layers), model.hidden
    rules = {
        "a copy of the tied head": model.vocab * hidden,
        "causal-mask buffers": layers * (model.max_positions or 0) ** 2,
        "local-attention mask buffers": layers // 2 * (model.max_positions or 0) ** 2,
        "rotary inv_freq buffers": layers * model.rotary_width // 4 // 2,
        "position_ids buffer": model.max_positions,
        "MTP": model.layers[0].elements + 2 * hidden**2 + 3 * hidden,
    }
    assert found.also_stored == {reason: rules[reason] for reason in found.also_stored}


BLOCK = {"attention": {"n_heads_in_group": 8}, "ffn": {"ffn_mult": 1.0}}
NAS = {
    "model_type": "nemotron-nas",
    "hidden_size": 768,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "vocab_size": 100,
    "block_configs": [BLOCK, {"attention": {"no_op": True}, "ffn": {"no_op": True}}],
}
T5 = {
    "model_type": "t5",
    "d_model": 64,
    "d_kv": 8,
    "d_ff": 128,
    "num_layers": 2,
    "num_heads": 4,
    "vocab_size": 100,
}
MPT = {"model_type": "mpt", "d_model": 64, "n_heads": 4, "n_layers": 2, "vocab_size": 100}
NEO = {
    "model_type": "gpt_neo",
    "hidden_size": 64,
    "num_heads": 4,
    "num_layers": 2,
    "vocab_size": 100,
    "attention_types": [[["global", "local"], 1]],
}


def test_a_layer_without_parts_has_no_tensors() -> None:
    model = read_model(Config(NAS, "test"))
    assert model.layers[1].elements == 0
    assert model.layers[0].elements > 0


HOSTILE = [
    (NAS, {"block_configs": None}, "block_configs"),
    (NAS, {"block_configs": [BLOCK]}, "does not describe 2 layers"),
    (NAS, {"block_configs": [BLOCK, 3]}, "not a list of objects"),
    (NAS, {"block_configs": [BLOCK, {**BLOCK, "ffn": {"ffn_mult": -1}}]}, "outside"),
    (NAS, {"block_configs": [BLOCK, {**BLOCK, "ffn": {"ffn_mult": "x"}}]}, "not a number"),
    (NAS, {"block_configs": [BLOCK, {**BLOCK, "ffn": {"sparsify": True}}]}, "sparsify"),
    (NAS, {"block_configs": [BLOCK, {**BLOCK, "attention": {"n_heads_in_group": 3}}]}, "groups"),
    (T5, {"num_heads": 0}, "num_heads"),
    (T5, {"d_ff": None}, "d_ff"),
    (T5, {"architectures": ["T5ForTokenClassification"]}, "form of T5"),
    (MPT, {"no_bias": False}, "no_bias"),
    (MPT, {"attn_config": {"alibi": False}}, "alibi"),
    (MPT, {"attn_config": {"attn_type": "grouped_query_attention"}}, "attn_type"),
    (NEO, {"attention_types": [[["global"], 10**9]]}, "attention_types"),
    (NEO, {"attention_types": "global"}, "attention_types"),
    (NEO, {"attention_types": [[["sideways", "local"], 1]]}, "attention_types"),
]


@pytest.mark.parametrize(
    ("base", "change", "said"), HOSTILE, ids=[f"{c[0]['model_type']}-{c[2]}" for c in HOSTILE]
)
def test_absurd_values_are_refused(base: dict[str, Any], change: dict[str, Any], said: str) -> None:
    read_model(Config(base, "test"))
    with pytest.raises(ConfigError) as caught:
        read_model(Config({**base, **change}, "test"))
    assert said in str(caught.value)
