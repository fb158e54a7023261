"""Checkpoints that Transformers wrote, and a real one: nothing lost, nothing counted twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.conservation import conserve
from weighbridge.model.checkpoint import read_checkpoint


def tiny(kind: str):
    """A small random model of Transformers."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    torch = pytest.importorskip("torch", reason="torch is not installed")
    torch.manual_seed(0)
    sizes = {
        "vocab_size": 96,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    }
    configs = {
        "llama": lambda: transformers.LlamaConfig(**sizes),
        "llama-tied": lambda: transformers.LlamaConfig(**sizes, tie_word_embeddings=True),
        "mixtral": lambda: transformers.MixtralConfig(**sizes, num_local_experts=4),
        "gpt2": lambda: transformers.GPT2Config(vocab_size=96, n_embd=32, n_layer=2, n_head=4),
    }
    return transformers.AutoModelForCausalLM.from_config(configs[kind]())


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("shard_size", ["5GB", "30KB", "8KB"])
@pytest.mark.parametrize("kind", ["llama", "llama-tied", "mixtral", "gpt2"])
def test_real_models_read_back_exactly(
    tmp_path: Path, kind: str, shard_size: str, dtype: str
) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    model = tiny(kind).to(getattr(torch, dtype))
    model.save_pretrained(tmp_path, max_shard_size=shard_size)
    found = read_checkpoint(tmp_path)
    conserve(found)
    assert found.notes == ()
    assert (len(found.shards) > 1) == (shard_size != "5GB")
    assert found.config is not None
    assert found.config["model_type"] == kind.split("-", maxsplit=1)[0]
    assert found.tensors.elements == sum(p.numel() for p in model.parameters())
    assert set(found.tensors.by_dtype()) == {"F32" if dtype == "float32" else "BF16"}
    library = pytest.importorskip("safetensors")
    theirs = {}
    for path in tmp_path.glob("*.safetensors"):
        for name, entry in library.deserialize(path.read_bytes()):
            theirs[name] = (entry["dtype"], tuple(entry["shape"]))
    assert {t.name: (t.dtype, t.shape) for t in found.tensors} == theirs


def test_the_real_minilm(minilm_folder: Path) -> None:
    found = read_checkpoint(minilm_folder)
    conserve(found)
    assert found.config is not None
    assert found.config["model_type"] == "bert"
    assert len(found.tensors) == 104
    parts = found.tensors.by_dtype()
    assert parts["F32"].elements == 22_713_216
    assert [(t.name, t.shape) for t in parts["I64"]] == [("embeddings.position_ids", (1, 512))]
    assert found.tensors.total_bytes == 4 * 22_713_216 + 8 * 512 == 90_856_960
    words = found.tensors.get("embeddings.word_embeddings.weight")
    assert words is not None
    assert words.shape == (found.config["vocab_size"], found.config["hidden_size"])
    layers = {name.split(".")[2] for name in found.tensors.names() if ".layer." in name}
    assert len(layers) == found.config["num_hidden_layers"]
