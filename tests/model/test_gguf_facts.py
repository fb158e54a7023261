"""GGUF files → facts: the header's own parameters, and the right cache for every layer."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import gguf_models
from gguf_files import write
from weighbridge.errors import ConfigError, FileFormatError, InputError, UnknownArchitecture
from weighbridge.memory.cache import elements_per_token, every_token, visible_tokens
from weighbridge.model.facts import Model
from weighbridge.model.load import load_model


def made(folder: Path, model: tuple[dict, dict], **changed: object) -> Model:
    metadata, tensors = model
    architecture = metadata["general.architecture"]
    for key, value in changed.items():
        metadata[f"{architecture}.{key.replace('__', '.')}"] = value
    return load_model(str(write(folder / "model.gguf", metadata, tensors)))


def kv_bytes(model: Model) -> int:
    return 2 * elements_per_token(model.layer_groups(), kept=every_token)


@pytest.mark.parametrize(
    ("model", "parameters", "active", "kv"),
    [
        pytest.param(gguf_models.llama_31_8b(), 8_030_261_248, 8_030_261_248, 131_072, id="llama"),
        pytest.param(gguf_models.qwen3_4b(), 4_022_468_096, 4_022_468_096, 147_456, id="qwen3-4b"),
        pytest.param(gguf_models.qwen3_30b(), 30_532_122_624, 3_353_032_704, 98_304, id="30b-a3b"),
        pytest.param(
            gguf_models.deepseek_v3(), 671_026_404_352, 37_552_282_624, 70_272, id="deepseek-v3"
        ),
        pytest.param(
            gguf_models.deepseek_v3(old=True), 671_026_404_352, 37_552_282_624, 70_272, id="old-mla"
        ),
        pytest.param(
            gguf_models.gemma3_27b(), 27_009_346_304, 27_009_346_304, 507_904, id="gemma-3-27b"
        ),
        pytest.param(gguf_models.gpt_oss_20b(), 20_914_757_184, None, 49_152, id="gpt-oss-20b"),
    ],
)
def test_known_models(
    tmp_path: Path, model: tuple, parameters: int, active: int | None, kv: int
) -> None:
    found = made(tmp_path, model)
    assert found.parameters == parameters
    if active is not None:
        assert found.active_parameters == active
    assert kv_bytes(found) == kv
    assert found.basis == "header"
    assert found.stored is not None
    stored = sum(
        t.elements for t in found.stored if "rope_" not in t.name and "exp_probs" not in t.name
    )
    assert found.parameters == stored


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (gguf_models.llama_31_8b(), "llama-3.1-8b"),
        (gguf_models.qwen3_30b(), "qwen3-30b-a3b"),
        (gguf_models.deepseek_v3(), "deepseek-v3"),
        (gguf_models.gpt_oss_20b(), "gpt-oss-20b"),
    ],
)
def test_a_file_and_a_config_of_one_model_agree(tmp_path: Path, model: tuple, name: str) -> None:
    found, known = made(tmp_path, model), load_model(name)
    assert found.parameters == known.parameters
    assert found.active_parameters == known.active_parameters
    assert kv_bytes(found) == kv_bytes(known)
    assert found.family == known.family
    assert (found.hidden, found.vocab, found.tied) == (known.hidden, known.vocab, known.tied)


def test_named_parameters_are_the_tensors_of_the_file(tmp_path: Path) -> None:
    found = made(tmp_path, gguf_models.qwen3_30b())
    assert found.stored is not None
    assert {t.name: t.shape for t in found.stored} == dict(found.named_parameters())


def test_equal_blocks_are_one_layer(tmp_path: Path) -> None:
    assert [n for _, n in made(tmp_path, gguf_models.gemma3_27b()).layer_groups()] == [52, 10]
    assert [n for _, n in made(tmp_path, gguf_models.deepseek_v3()).layer_groups()] == [3, 58]


@pytest.mark.parametrize(
    ("keys", "full"),
    [
        ({}, 10),
        ({"attention__sliding_window_pattern": 2}, 31),
        ({"attention__sliding_window_pattern": [True, False] * 31}, 31),
        ({"attention__sliding_window_pattern": [True] * 62}, 0),
        ({"attention__sliding_window": 0}, 62),
    ],
    ids=["default", "period", "list", "all-sliding", "none"],
)
def test_windows(tmp_path: Path, keys: dict, full: int) -> None:
    found = made(tmp_path, gguf_models.gemma3_27b(**keys))
    windows = Counter(layer.mixer.cache[0].window for layer in found.layers)
    assert windows[None] == full
    assert windows[1024] == 62 - full


def test_a_window_bounds_the_cache(tmp_path: Path) -> None:
    found = made(tmp_path, gguf_models.gpt_oss_20b())
    assert 2 * elements_per_token(found.layer_groups(), kept=visible_tokens) == 24_576


def test_per_layer_heads(tmp_path: Path) -> None:
    metadata, tensors = gguf_models.model(
        "llama",
        layers=2,
        hidden=256,
        heads=8,
        kv_heads=4,
        head_dim=32,
        intermediate=512,
        vocab=1000,
    )
    tensors["blk.1.attn_k.weight"] = ([256, 64], "F16")
    tensors["blk.1.attn_v.weight"] = ([256, 64], "F16")
    metadata["llama.attention.head_count"] = [8, 8]
    metadata["llama.attention.head_count_kv"] = [4, 2]
    found = made(tmp_path, (metadata, tensors))
    assert kv_bytes(found) == 2 * (2 * 4 * 32 + 2 * 2 * 32)


def test_head_dim_defaults_to_hidden_over_heads(tmp_path: Path) -> None:
    metadata, tensors = gguf_models.llama_31_8b()
    del metadata["llama.attention.key_length"], metadata["llama.attention.value_length"]
    assert kv_bytes(made(tmp_path, (metadata, tensors))) == 131_072


def test_blocks_that_predict_ahead_keep_no_cache(tmp_path: Path) -> None:
    metadata, tensors = gguf_models.deepseek_v3()
    extra = {
        name.replace("blk.60.", "blk.61."): found
        for name, found in tensors.items()
        if name.startswith("blk.60.")
    }
    found = made(tmp_path, (metadata, tensors | extra), block_count=62, nextn_predict_layers=1)
    assert kv_bytes(found) == 70_272
    assert len(found.layers) == 61
    assert found.parameters > 680_000_000_000
    assert any("predict ahead" in note for note in found.notes)


def test_a_plain_file_keeps_its_type(tmp_path: Path) -> None:
    assert made(tmp_path, gguf_models.llama_31_8b("BF16")).dtype == "bf16"
    found = made(tmp_path, gguf_models.qwen3_30b())
    assert found.quantization == {
        "quant_method": "gguf",
        "file_type": 15,
        "commonest_type": "Q4_K",
    }


TINY = {
    **{"layers": 2, "hidden": 256, "heads": 8, "kv_heads": 4},
    **{"head_dim": 32, "intermediate": 512, "vocab": 1000},
}


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"general.architecture": "t5"}, UnknownArchitecture, "'t5'"),
        ({"general.architecture": "\x1b[2J"}, UnknownArchitecture, "no family reads"),
        ({"general.architecture": 5}, ConfigError, "general.architecture is 5"),
        ({"general.type": "adapter"}, FileFormatError, "an adapter"),
        ({"general.architecture": "clip"}, FileFormatError, "mmproj"),
        ({"llama.block_count": 3}, ConfigError, "no attention tensors of block 2"),
        ({"llama.block_count": 0}, ConfigError, "block_count = 0"),
        ({"llama.block_count": 2**31}, ConfigError, "block_count"),
        ({"llama.block_count": "2"}, ConfigError, "is not a whole number"),
        ({"llama.nextn_predict_layers": 2}, ConfigError, "nextn_predict_layers"),
        ({"llama.embedding_length": 512}, ConfigError, "token_embd.weight"),
        ({"llama.attention.head_count": 0}, ConfigError, "head_count"),
        ({"llama.attention.head_count": [8]}, ConfigError, "none for layer 1"),
        ({"llama.attention.head_count_kv": 3}, ConfigError, "does not divide"),
        ({"llama.attention.head_count_kv": 2}, ConfigError, "attn_k.weight has 128 rows"),
        ({"llama.attention.key_length": 64}, ConfigError, "attn_k.weight has 128 rows"),
        ({"llama.attention.key_length": [1] * 20_000}, ConfigError, "key_length"),
        ({"llama.context_length": -1.5}, ConfigError, "context_length"),
    ],
)
def test_contradictions_are_refused(
    tmp_path: Path, change: dict, error: type[InputError], says: str
) -> None:
    metadata, tensors = gguf_models.model("llama", **TINY)
    path = write(tmp_path / "model.gguf", metadata | change, tensors)
    with pytest.raises(error) as caught:
        load_model(str(path))
    assert says in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_vocabulary_by_itself_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "model.gguf", {"general.architecture": "llama"}, {})
    with pytest.raises(FileFormatError, match="holds no tensors"):
        load_model(str(path))


def test_a_required_window_must_be_there(tmp_path: Path) -> None:
    metadata, tensors = gguf_models.gpt_oss_20b()
    del metadata["gpt-oss.attention.sliding_window"]
    with pytest.raises(ConfigError, match="sliding_window is missing"):
        made(tmp_path, (metadata, tensors))


def test_experts_must_agree_with_the_tensors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="differs from the 128 experts"):
        made(tmp_path, gguf_models.qwen3_30b(), expert_count=64)
