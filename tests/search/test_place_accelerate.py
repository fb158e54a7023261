"""The maps that are written, before accelerate and transformers themselves."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

import weighbridge as wb
from weighbridge.model import catalog

torch = pytest.importorskip("torch", reason="needs the [trace] extra")
transformers = pytest.importorskip("transformers", reason="needs the [trace] extra")
accelerate = pytest.importorskip("accelerate", reason="needs the [trace] extra")

MAPPED = [
    ("llama-3.1-8b", "rtx-3060"),
    ("qwen3-30b-a3b", "rtx-3060,rtx-4090"),
    ("gpt2-xl", "rtx-3060"),
    ("llama-3.2-1b", "rtx-3060"),
    ("phi-4", "rtx-3060,rtx-4060"),
]


def empty(name: str) -> Any:
    row = catalog.find(name)
    assert row is not None
    mapping = transformers.models.auto.configuration_auto.CONFIG_MAPPING
    config = mapping[row.config["model_type"]].from_dict(row.config)
    with torch.device("meta"):
        return getattr(transformers, row.config["architectures"][0])(config).to(torch.bfloat16)


@pytest.mark.parametrize(("name", "on"), MAPPED)
def test_accelerate_accepts_the_map(name: str, on: str) -> None:
    found = wb.place(name, on=on, weights="bf16", context=1024)
    written = found.to_dict()["placement"]["device_map"]
    model = empty(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        accelerate.utils.modeling.check_device_map(model, written)


@pytest.mark.parametrize(("name", "on"), [("llama-3.1-8b", "rtx-3060"), ("phi-4", "rtx-3060,t4")])
def test_under_our_limits_accelerate_stays_within_them(name: str, on: str) -> None:
    found = wb.place(name, on=on, weights="bf16", context=4096)
    model, limits = empty(name), found.max_memory()
    blocks = [*(model._no_split_modules or ())]
    theirs = accelerate.infer_auto_device_map(
        model, max_memory=dict(limits), no_split_module_classes=blocks
    )
    used = dict.fromkeys(limits, 0)
    for parameter, tensor in model.named_parameters():
        module = max((m for m in theirs if f"{parameter}.".startswith(f"{m}.")), key=len)
        used[theirs[module]] += tensor.nbytes
    assert all(used[device] <= limit for device, limit in limits.items())


def test_a_tiny_model_runs_under_such_a_map(tmp_path: Any) -> None:
    """Without a GPU: what would lie on one lies in host memory, what would lie there on disk."""
    config = transformers.LlamaConfig(
        vocab_size=128, hidden_size=64, intermediate_size=128, num_hidden_layers=6,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=256,
    )  # fmt: skip
    plain = transformers.LlamaForCausalLM(config).eval()
    plain.save_pretrained(tmp_path)
    from weighbridge.model.load import load_model
    from weighbridge.search.place.spots import HOST, Spot
    from weighbridge.search.place.transformers import device_map

    model = load_model(str(tmp_path))
    spots = [Spot("embedding", 0), *(Spot(str(i), 0 if i < 3 else HOST) for i in range(6))]
    written = device_map(model, (*spots, Spot("head", 0)), (5, 23, 0))
    assert set(written.values()) == {0, "cpu"}
    lowered = {module: "cpu" if place == 0 else "disk" for module, place in written.items()}
    spread = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path, device_map=lowered, offload_folder=str(tmp_path / "offload")
    ).eval()
    ids = torch.arange(10).reshape(1, 10)
    with torch.inference_mode():
        assert torch.allclose(plain(ids).logits, spread(ids).logits, atol=1e-4)
