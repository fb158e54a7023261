"""Activations against the real classes of Transformers under fake tensors, and caches against
real generation.

The CPU build takes the math path of sdpa where query and value dims differ, so latent attention is
traced with eager attention only.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from weighbridge.planner import plan_request
from weighbridge.request import make_request

torch = pytest.importorskip("torch", reason="needs the [trace] extra")
transformers = pytest.importorskip("transformers", reason="needs the [trace] extra")

from engine.live_storages import cache_bytes, traced_peak  # noqa: E402

BASE: dict[str, Any] = {
    "hidden_size": 1024,
    "num_hidden_layers": 2,
    "num_attention_heads": 16,
    "num_key_value_heads": 4,
    "intermediate_size": 2816,
    "vocab_size": 4096,
    "max_position_embeddings": 32768,
    "tie_word_embeddings": False,
}
SHAPES: dict[str, dict[str, Any]] = {
    "llama": {"architectures": ["LlamaForCausalLM"]},
    "mistral": {"architectures": ["MistralForCausalLM"], "sliding_window": None},
    "qwen2": {"architectures": ["Qwen2ForCausalLM"], "use_sliding_window": False},
    "qwen3": {"architectures": ["Qwen3ForCausalLM"], "head_dim": 128, "use_sliding_window": False},
    "gemma": {"architectures": ["GemmaForCausalLM"], "head_dim": 128},
    "mixtral": {
        "architectures": ["MixtralForCausalLM"],
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
        "sliding_window": None,
    },
    "phi3": {"architectures": ["Phi3ForCausalLM"], "pad_token_id": 0, "sliding_window": None},
    "gpt2": {
        "architectures": ["GPT2LMHeadModel"],
        "n_embd": 1024,
        "n_layer": 2,
        "n_head": 16,
        "n_positions": 8192,
        "vocab_size": 4096,
    },
    "bert": {
        "architectures": ["BertModel"],
        "intermediate_size": 4096,
        "max_position_embeddings": 8192,
    },
}


def config_of(name: str) -> dict[str, Any]:
    base = {} if name == "gpt2" else BASE
    return {**base, **SHAPES[name], "model_type": name, "dtype": "bfloat16"}


def made(name: str, attention: str) -> Any:
    settings = config_of(name)
    mapping = transformers.models.auto.configuration_auto.CONFIG_MAPPING
    config = mapping[name].from_dict(settings)
    config._attn_implementation = attention
    torch.set_default_dtype(torch.bfloat16)
    try:
        return getattr(transformers, settings["architectures"][0])(config)
    finally:
        torch.set_default_dtype(torch.float32)


def planned(tmp_path: Path, name: str, attention: str, batch: int, tokens: int) -> int:
    """Activations and masks that we say are alive beside the cache."""
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps(config_of(name)))
    options = {
        "context": tokens,
        "concurrency": batch,
        "attn_implementation": attention,
        "weights": "bf16",
    }
    plan = plan_request(make_request(str(path), options))
    return sum(
        term.bytes
        for term in plan.devices[0].phases["prefill"]
        if term.name in {"activations", "logits"}
    )


@pytest.mark.parametrize("tokens", [512, 2048])
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("name", [*SHAPES])
def test_activations_are_those_of_the_real_code(
    tmp_path: Path, name: str, batch: int, tokens: int
) -> None:
    peak, cache = traced_peak(lambda: made(name, "sdpa"), batch, tokens)
    ours = planned(tmp_path, name, "sdpa", batch, tokens)
    assert ours == pytest.approx(peak - cache, rel=0.02)


@pytest.mark.parametrize("name", ["llama", "qwen3", "gemma", "gpt2", "bert"])
def test_eager_attention_grows_with_the_square_as_the_real_code_does(
    tmp_path: Path, name: str
) -> None:
    peaks = {}
    for tokens in (1024, 2048):
        peak, cache = traced_peak(lambda: made(name, "eager"), 1, tokens)
        peaks[tokens] = (peak - cache, planned(tmp_path, name, "eager", 1, tokens))
    for real, ours in peaks.values():
        assert ours == pytest.approx(real, rel=0.05)
    assert peaks[2048][1] > 3 * peaks[1024][1]


@pytest.mark.parametrize("name", ["llama", "qwen3", "mixtral", "gpt2"])
def test_the_cache_holds_what_generation_leaves_in_it(tmp_path: Path, name: str) -> None:
    small = {**config_of(name), "num_hidden_layers": 3, "n_layer": 3}
    mapping = transformers.models.auto.configuration_auto.CONFIG_MAPPING
    model = getattr(transformers, small["architectures"][0])(mapping[name].from_dict(small))
    model = model.to(torch.bfloat16).eval()
    ids = torch.ones(2, 96, dtype=torch.long)
    out = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=8,
        min_new_tokens=8,
        do_sample=False,
        return_dict_in_generate=True,
        pad_token_id=0,
    )
    path = tmp_path / "config.json"
    path.write_text(json.dumps(small))
    plan = plan_request(
        make_request(str(path), {"input_tokens": 96, "output_tokens": 8, "concurrency": 2})
    )
    held = [t for t in plan.devices[0].phases["decode"] if t.name == "kv_cache"]
    assert sum(term.bytes for term in held) == cache_bytes(out)


def test_sliding_layers_keep_their_window_and_hold_the_prompt_until_the_first_step(
    tmp_path: Path,
) -> None:
    config = {**config_of("mistral"), "sliding_window": 32}
    mapping = transformers.models.auto.configuration_auto.CONFIG_MAPPING
    model = transformers.MistralForCausalLM(mapping["mistral"].from_dict(config))
    model = model.to(torch.bfloat16).eval()
    ids = torch.ones(1, 500, dtype=torch.long)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    plan = plan_request(make_request(str(path), {"input_tokens": 500, "output_tokens": 2}))

    with torch.no_grad():
        out = model(ids, use_cache=True)
        after_prompt = cache_bytes(out)
        out = model(ids[:, :1], past_key_values=out.past_key_values, use_cache=True)
        after_step = cache_bytes(out)
    prefill = sum(
        t.bytes
        for t in plan.devices[0].phases["prefill"]
        if t.name == "kv_cache" or (t.name == "workspace" and t.phase == "prefill")
    )
    decode = sum(t.bytes for t in plan.devices[0].phases["decode"] if t.name == "kv_cache")
    assert after_prompt == prefill
    assert after_step == decode
