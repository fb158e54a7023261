"""What layers remember against what the classes of Transformers really cache, on tiny models."""

from __future__ import annotations

from typing import Any

import pytest

from weighbridge.engine import Question, parse_engine
from weighbridge.engine.transformers.setup import set_up
from weighbridge.model.config import Config
from weighbridge.model.families import read_model
from weighbridge.request import Deployment, Tokens

torch = pytest.importorskip("torch", reason="needs the [trace] extra")
transformers = pytest.importorskip("transformers", reason="needs the [trace] extra")

PROMPT, STEPS = 21, 3
LLAMA = {
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "vocab_size": 64,
    "head_dim": 16,
    "pad_token_id": 0,
}
OLD = {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 64, "eos_token_id": 1}
OLD |= {"bos_token_id": 1}
FALCON = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 64}
LATENT = {
    **{key: value for key, value in LLAMA.items() if key not in {"head_dim"}},
    "num_key_value_heads": 4,
    "kv_lora_rank": 8,
    "q_lora_rank": 16,
    "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 8,
    "v_head_dim": 8,
}
SEQUENCE = {"d_model": 32, "vocab_size": 64, "pad_token_id": 0, "decoder_start_token_id": 0}
TINY: dict[str, tuple[str, dict[str, Any]]] = {
    "apertus": ("ApertusForCausalLM", LLAMA),
    "bloom": ("BloomForCausalLM", {"hidden_size": 32, "n_layer": 2, "n_head": 4, "vocab_size": 64}),
    "cohere2": ("Cohere2ForCausalLM", {**LLAMA, "head_dim": 8, "sliding_window": 8}),
    "exaone4": ("Exaone4ForCausalLM", {**LLAMA, "sliding_window": 8}),
    "falcon, one KV head": ("FalconForCausalLM", FALCON),
    "falcon, grouped": (
        "FalconForCausalLM",
        {**FALCON, "new_decoder_architecture": True, "num_kv_heads": 2},
    ),
    "falcon, all heads": ("FalconForCausalLM", {**FALCON, "multi_query": False}),
    "gpt_bigcode": ("GPTBigCodeForCausalLM", OLD),
    "gpt_neo": (
        "GPTNeoForCausalLM",
        {
            "hidden_size": 32,
            "num_layers": 2,
            "num_heads": 4,
            "vocab_size": 64,
            "window_size": 8,
            "attention_types": [[["global", "local"], 1]],
            "eos_token_id": 1,
            "bos_token_id": 1,
        },
    ),
    "gptj": ("GPTJForCausalLM", {**OLD, "rotary_dim": 4}),
    "granite_swa": ("GraniteSWAForCausalLM", {**LLAMA, "head_dim": 8, "sliding_window": 8}),
    "minicpm3": ("MiniCPM3ForCausalLM", LATENT),
    "ministral": ("MinistralForCausalLM", {**LLAMA, "sliding_window": 8}),
    "mpt": ("MptForCausalLM", {"d_model": 32, "n_layers": 2, "n_heads": 4, "vocab_size": 64}),
    "olmo3": ("Olmo3ForCausalLM", {**LLAMA, "head_dim": 8, "sliding_window": 8}),
    "opt": (
        "OPTForCausalLM",
        {
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "ffn_dim": 48,
            "vocab_size": 64,
        },
    ),
    "starcoder2": ("Starcoder2ForCausalLM", {**LLAMA, "head_dim": 8, "sliding_window": 8}),
    "youtu": ("YoutuForCausalLM", LATENT),
    "t5": (
        "T5ForConditionalGeneration",
        {
            **SEQUENCE,
            "d_kv": 16,
            "d_ff": 48,
            "num_layers": 2,
            "num_heads": 4,
            "num_decoder_layers": 3,
        },
    ),
    "whisper": (
        "WhisperForConditionalGeneration",
        {
            **SEQUENCE,
            "encoder_layers": 1,
            "decoder_layers": 2,
            "encoder_attention_heads": 4,
            "decoder_attention_heads": 4,
            "encoder_ffn_dim": 48,
            "decoder_ffn_dim": 48,
            "max_source_positions": 30,
            "bos_token_id": 1,
            "eos_token_id": 1,
        },
    ),
}


def inputs(family: str) -> tuple[dict[str, Any], Any]:
    """What the encoder gets, if there is one, and the decoder's first tokens."""
    tokens = torch.ones((1, PROMPT), dtype=torch.long)
    if family == "t5":
        return {"input_ids": tokens}, torch.ones((1, 1), dtype=torch.long)
    if family == "whisper":
        return {"input_features": torch.zeros((1, 80, 60))}, tokens
    return {}, tokens


def really_cached(family: str, config: dict[str, Any], architecture: str) -> tuple[int, int]:
    """Elements in the cache after the prompt and ``STEPS`` steps, and sliding layers."""
    mapping = transformers.models.auto.configuration_auto.CONFIG_MAPPING
    torch.manual_seed(0)
    model = getattr(transformers, architecture)(mapping[family].from_dict(config)).eval()
    encoded, tokens = inputs(family)
    name = "decoder_input_ids" if encoded else "input_ids"
    with torch.no_grad():
        answer = model(**encoded, **{name: tokens}, use_cache=True)
        if encoded:
            encoded = {"encoder_outputs": (answer.encoder_last_hidden_state,)}
        for _ in range(STEPS):
            answer = model(
                **encoded,
                **{name: torch.ones((1, 1), dtype=torch.long)},
                past_key_values=answer.past_key_values,
                use_cache=True,
            )
    cache = answer.past_key_values
    parts = (
        (cache.self_attention_cache, cache.cross_attention_cache)
        if hasattr(cache, "cross_attention_cache")
        else (cache,)
    )
    layers = [layer for part in parts for layer in part.layers]
    sliding = [layer for layer in layers if getattr(layer, "is_sliding", False)]
    shortfall = sum(
        layer.keys[:, :, 0].numel() + layer.values[:, :, 0].numel() for layer in sliding
    )
    return sum(layer.keys.numel() + layer.values.numel() for layer in layers), shortfall


@pytest.mark.parametrize("case", TINY)
def test_the_cache_is_what_the_class_keeps(case: str) -> None:
    """A sliding layer of Transformers keeps one position less than its window between steps, which
    the next token fills; we count the window."""
    family = case.partition(",")[0]
    architecture, config = TINY[case]
    model = read_model(
        Config({"model_type": family, "architectures": [architecture], **config}, "test")
    )
    tokens = Tokens(PROMPT, STEPS + 1)
    question = Question(
        model, parse_engine("transformers==5.23.0"), Deployment(weights="fp32"), tokens, 1
    )
    ours = set_up(question).cached_elements(model.layer_groups(), tokens.cached)
    real, shortfall = really_cached(family, dict(config), architecture)
    assert ours == real + shortfall
