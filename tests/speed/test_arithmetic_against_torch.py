"""Operations against PyTorch's own counter over tiny random models of Transformers.

Eager attention multiplies every query with every key and masks afterwards, so that a prompt of S
tokens has S² pairs there and S(S+1)/2 here; a decode step has the same number in both.
"""

from __future__ import annotations

from typing import Any

import pytest

from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families import read_model
from weighbridge.speed.arithmetic import (
    head_elements,
    linear_operations,
    matrix_elements,
    pass_operations,
)
from weighbridge.speed.mixing import Pass, mixing_operations

torch = pytest.importorskip("torch", reason="needs the [trace] extra")
transformers = pytest.importorskip("transformers", reason="needs the [trace] extra")
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

COMMON: dict[str, Any] = {
    "vocab_size": 96,
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 80,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
EXPERTS = {
    "num_experts": 8,
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 24,
}
LATENT = {
    "num_key_value_heads": 4,
    "kv_lora_rank": 20,
    "q_lora_rank": 28,
    "qk_rope_head_dim": 6,
    "qk_nope_head_dim": 10,
    "v_head_dim": 12,
}
DEEPSEEK = {
    **LATENT,
    "n_routed_experts": 8,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 24,
    "first_k_dense_replace": 1,
    "n_group": 1,
    "topk_group": 1,
}
TINY: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaForCausalLM", {}),
    "qwen2": ("Qwen2ForCausalLM", {}),
    "qwen3": ("Qwen3ForCausalLM", {"head_dim": 16}),
    "mixtral": ("MixtralForCausalLM", EXPERTS),
    "qwen3_moe": ("Qwen3MoeForCausalLM", {**EXPERTS, "head_dim": 16}),
    "gpt2": ("GPT2LMHeadModel", {"n_embd": 48, "n_layer": 3, "n_head": 4, "n_inner": 80}),
    "gpt_neox": ("GPTNeoXForCausalLM", {"num_key_value_heads": 4}),
    "gemma2": ("Gemma2ForCausalLM", {"head_dim": 16, "sliding_window": 128}),
    "gemma3_text": ("Gemma3ForCausalLM", {"head_dim": 16, "sliding_window": 128}),
    "phi3": ("Phi3ForCausalLM", {}),
    "gpt_oss": ("GptOssForCausalLM", {**EXPERTS, "head_dim": 16, "sliding_window": 128}),
}
PROMPT = 40


def tiny(name: str) -> tuple[Model, Any]:
    architecture, extra = TINY.get(name, ("DeepseekV3ForCausalLM", DEEPSEEK))
    made = transformers.models.auto.configuration_auto.CONFIG_MAPPING[name](**{**COMMON, **extra})
    made.architectures = [architecture]
    if name == "gpt2":
        del made.intermediate_size
    made._attn_implementation = "eager"
    made._experts_implementation = "eager"
    module = getattr(transformers, architecture)(made).eval()
    return read_model(Config(made.to_dict(), name)), module


def counted(module: Any, **inputs: Any) -> tuple[int, Any]:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        out = module(**inputs)
    return counter.get_total_flops(), out


def prompt(tokens: int) -> Any:
    return torch.arange(tokens)[None] % 90 + 3


def every_pair(model: Model, tokens: int) -> int:
    """Mixing where each of the tokens sees all of them, as eager attention computes it."""
    return sum(
        count * tokens * mixing_operations(layer.mixer, Pass(1, tokens))
        for layer, count in model.layer_groups()
    )


def linear_parts(model: Model, tokens: int) -> int:
    inside = sum(linear_operations(each, tokens) * n for each, n in model.layer_groups())
    return inside + 2 * matrix_elements(model.outer) * tokens


@pytest.mark.parametrize("name", TINY)
def test_a_prompt_and_a_decode_step(name: str) -> None:
    model, module = tiny(name)
    head = 2 * head_elements(model)
    assert head == 2 * 96 * 48
    total, out = counted(module, input_ids=prompt(PROMPT), logits_to_keep=1, use_cache=True)
    expected = linear_parts(model, PROMPT) + every_pair(model, PROMPT) + head
    assert total == expected
    causal = pass_operations(model, PROMPT, PROMPT)
    assert expected - causal == every_pair(model, PROMPT) * (PROMPT - 1) // (2 * PROMPT)
    again = {"past_key_values": out.past_key_values, "use_cache": True}
    step, _ = counted(module, input_ids=torch.tensor([[5]]), **again)
    assert step == pass_operations(model, 1, PROMPT + 1, decoding=True)


def test_latent_attention_expands_in_a_prompt() -> None:
    """Transformers expands the latent of every cached token again in a decode step as well."""
    model, module = tiny("deepseek_v3")
    head = 2 * head_elements(model)
    total, out = counted(module, input_ids=prompt(PROMPT), logits_to_keep=1, use_cache=True)
    pairs = sum(
        2 * m.mixer.heads * (m.mixer.nope + m.mixer.rope + m.mixer.v_dim) * PROMPT**2  # type: ignore[attr-defined]
        for m in model.layers
    )
    assert total == linear_parts(model, PROMPT) + pairs + head
    again = {"past_key_values": out.past_key_values, "use_cache": True}
    step, _ = counted(module, input_ids=torch.tensor([[5]]), **again)
    expanded = pass_operations(model, 1, PROMPT + 1, decoding=True, expanded=True)
    assert step == expanded


def test_encoders_see_everything() -> None:
    made = transformers.BertConfig(**COMMON)
    made.architectures = ["BertModel"]
    made._attn_implementation = "eager"
    module = transformers.BertModel(made).eval()
    model = read_model(Config(made.to_dict(), "bert"))
    total, _ = counted(module, input_ids=prompt(PROMPT))
    ours = pass_operations(model, PROMPT, PROMPT, logits=PROMPT)
    assert total == ours


def test_an_indexer_scores_every_position() -> None:
    """DeepSeek-V3.2: Transformers masks what was not chosen, so that all pairs are there."""
    extra = {**DEEPSEEK, "index_n_heads": 3, "index_head_dim": 14, "index_topk": 64}
    made = transformers.models.auto.configuration_auto.CONFIG_MAPPING["deepseek_v32"](
        **{**COMMON, **extra}
    )
    made.architectures = ["DeepseekV32ForCausalLM"]
    made._attn_implementation = made._experts_implementation = "eager"
    module = transformers.DeepseekV32ForCausalLM(made).eval()
    model = read_model(Config(made.to_dict(), "deepseek_v32"))
    total, _ = counted(module, input_ids=prompt(PROMPT), logits_to_keep=1)
    pairs = 2 * 4 * (10 + 6 + 12) + 2 * 3 * (14 + 1)
    expected = linear_parts(model, PROMPT) + 3 * pairs * PROMPT**2 + 2 * head_elements(model)
    assert total == expected
    every = mixing_operations(model.layers[0].mixer, Pass(1, PROMPT)) * PROMPT
    reexpanded = 2 * 4 * 20 * (10 + 12) * (PROMPT - 1) * PROMPT
    assert every - reexpanded == pairs * PROMPT**2


def test_a_decoder_makes_the_keys_of_its_encoder_once() -> None:
    made = transformers.WhisperConfig(
        vocab_size=96, d_model=48, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=80, decoder_ffn_dim=80, num_mel_bins=10,
        max_source_positions=30, max_target_positions=64, pad_token_id=0, bos_token_id=1,
        eos_token_id=2, decoder_start_token_id=1, suppress_tokens=None, begin_suppress_tokens=None,
    )  # fmt: skip
    made.architectures = ["WhisperForConditionalGeneration"]
    made._attn_implementation = "eager"
    module = transformers.WhisperForConditionalGeneration(made).eval()
    model = read_model(Config(made.to_dict(), "whisper"))
    sound = torch.randn(1, 10, 60)
    encoder, _ = counted(module.model.encoder, input_features=sound)
    text = {"decoder_input_ids": prompt(8), "use_cache": True}
    total, out = counted(module, input_features=sound, **text)
    ours = pass_operations(model, 8, 8, logits=8, encoder_tokens=30)
    masked = 2 * 4 * 48 * (8 * 8 - 36)
    assert total - encoder == ours + masked
    step, _ = counted(
        module,
        encoder_outputs=(out.encoder_last_hidden_state,),
        decoder_input_ids=torch.tensor([[5]]),
        past_key_values=out.past_key_values,
        use_cache=True,
    )
    assert step == pass_operations(model, 1, 9, decoding=True, encoder_tokens=30)
