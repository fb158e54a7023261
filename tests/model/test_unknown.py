"""Unknown architectures: assumed where the numbers say enough, refused where a key says more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import weighbridge as wb
from hostile.headers import packed
from weighbridge.errors import ConfigError, InputError, UnknownArchitecture
from weighbridge.model import catalog
from weighbridge.model.config import Config
from weighbridge.model.load import load_model
from weighbridge.model.unknown import read_unknown

PLAIN = {
    "model_type": "quantum",
    "hidden_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
    "vocab_size": 1000,
}


def config_in(folder: Path, **changes: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(PLAIN | changes))
    return folder


@pytest.mark.parametrize("row", catalog.rows(), ids=lambda row: row.id)
def test_the_catalogue_in_disguise_is_bounded_or_refused(row: catalog.Row) -> None:
    """Every known model under an unknown name: its true count lies within the bounds."""
    true = load_model(row.id)
    try:
        guess = read_unknown(Config({**row.config, "model_type": "quantum"}, "config.json"))
    except UnknownArchitecture:
        assert true.family not in {"llama", "mistral", "qwen2", "qwen3", "gemma2", "phi3"}
        return
    assert guess.basis == "assumed"
    assert abs(guess.parameters - true.parameters) <= guess.rounding
    assert len(guess.layers) == len(true.layers)


def test_it_is_answered_with_a_warning_and_wide_bounds(tmp_path: Path) -> None:
    plan = wb.plan(str(config_in(tmp_path / "m")), on="rtx-4090", context=4096)
    assert plan.basis == "assumed"
    warning = next(note for note in plan.assumptions if "quantum" in note)
    for key in ("hidden_size = 64", "num_key_value_heads = 2", "vocab_size = 1000"):
        assert key in warning
    terms = {term.name: term for term in plan.terms}
    assert terms["weights"].low < terms["weights"].bytes < terms["weights"].high
    assert terms["kv_cache"].low < terms["kv_cache"].bytes < terms["kv_cache"].high
    assert terms["kv_cache"].bytes == 4096 * 4 * 2 * 2 * 8 * 2


FOREIGN = {
    "num_experts": 8,
    "num_local_experts": 8,
    "n_routed_experts": 64,
    "moe_intermediate_size": 10,
    "ssm_cfg": {"layer": "Mamba2"},
    "state_size": 16,
    "mamba_d_state": 128,
    "linear_num_key_heads": 16,
    "linear_attention_every": 4,
    "kv_lora_rank": 512,
    "latent_size": 128,
    "add_cross_attention": True,
    "cross_attention_layers": [3],
    "is_encoder_decoder": True,
    "layer_types": ["full_attention", "linear_attention"],
    "block_types": ["recurrent", "attention"],
    "layers_block_type": ["mamba"],
    "vision_config": {"hidden_size": 8},
    "text_config": {"hidden_size": 8},
    "conv_kernel": 4,
    "rwkv_version": 7,
    "architectures": ["QuantumForMaskedLM"],
    "hybrid_override_pattern": "M-M*",
    "index_topk": 2048,
    "num_kv_shared_layers": 20,
    "nested": {"deep": {"num_experts": 4}},
}


@pytest.mark.parametrize("key", FOREIGN)
def test_another_structure_is_refused_with_the_way_out(tmp_path: Path, key: str) -> None:
    with pytest.raises(UnknownArchitecture) as caught:
        load_model(str(config_in(tmp_path / "m", **{key: FOREIGN[key]})))
    assert "quantum" in str(caught.value)
    assert "give a bare size such as 7B" in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "harmless",
    [
        {"num_experts": None, "is_encoder_decoder": False, "state_size": 0, "vision_config": {}},
        {"output_hidden_states": True, "rope_scaling": {"type": "linear", "factor": 2.0}},
        {"layer_types": ["full_attention", "sliding_attention"], "sliding_window": 128},
        {"architectures": ["QuantumForCausalLM"], "id2label": {"0": "expert"}},
        {"auto_map": {"AutoConfig": "configuration_moe.Moe"}},
    ],
    ids=["empty", "names", "windows", "labels", "code"],
)
def test_what_says_nothing_is_no_reason(tmp_path: Path, harmless: dict[str, object]) -> None:
    assert load_model(str(config_in(tmp_path / "m", **harmless))).basis == "assumed"


@pytest.mark.parametrize(
    "bad",
    [
        {"hidden_size": None},
        {"hidden_size": -1},
        {"num_attention_heads": 0},
        {"num_attention_heads": "8"},
        {"num_key_value_heads": 3},
        {"intermediate_size": 2**40},
        {"vocab_size": True},
        {"hidden_size": 2**20, "intermediate_size": 2**20, "num_hidden_layers": 10_000},
        {"nested": {"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}}},
    ],
)
def test_absurd_numbers_are_refused(tmp_path: Path, bad: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        load_model(str(config_in(tmp_path / "m", **bad)))


def weights_of(config: dict[str, object], more: int = 0) -> bytes:
    """A safetensors file of the Llama that this config describes, and ``more`` elements."""
    from weighbridge.model.families import read_model

    model = read_model(Config(config | {"model_type": "llama"}, "config.json"))
    header, at = {}, 0
    shapes = [(n.replace("model.", "trunk."), s) for n, s in model.named_parameters()]
    for name, shape in [*shapes, *([("extra", (more,))] if more else [])]:
        size = 2
        for dim in shape:
            size *= dim
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    return packed(header, bytes(at))


@pytest.mark.parametrize("more", [0, 50_000])
def test_with_a_header_the_weights_are_exact(tmp_path: Path, more: int) -> None:
    folder = config_in(tmp_path / "m", tie_word_embeddings=True)
    raw = weights_of(PLAIN | {"tie_word_embeddings": True}, more)
    (folder / "model.safetensors").write_bytes(raw)
    model = load_model(str(folder))
    assert model.stored is not None
    assert model.parameters == model.stored.elements
    assert model.layer_prefix == "trunk.layers."
    note = next(note for note in model.notes if note.startswith("the files hold"))
    assert ("which agrees" in note) == (more == 0)
    plan = wb.plan(str(folder), on="2xrtx-4090")
    weights = [term for term in plan.terms if term.name == "weights"]
    assert sum(term.bytes for term in weights) == model.stored.total_bytes
    assert all(term.low == term.bytes == term.high for term in weights)
    assert {term.basis for term in weights} == {"header"}
    assert plan.basis == "assumed"


def test_a_missing_model_type_stays_refused(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({**PLAIN, "model_type": None}))
    with pytest.raises(InputError, match="model_type"):
        load_model(str(folder))
