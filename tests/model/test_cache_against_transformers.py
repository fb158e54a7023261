"""What layers keep, against the cache that small random models of Transformers fill on a CPU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from weighbridge.memory.cache import cache_elements, visible_tokens
from weighbridge.model.config import Config
from weighbridge.model.facts import CacheStream, Model
from weighbridge.model.families import gemma4, llama4, read_model

torch = pytest.importorskip("torch", reason="needs the [trace] extra")
transformers = pytest.importorskip("transformers", reason="needs the [trace] extra")

BASE = {
    "hidden_size": 64,
    "num_hidden_layers": 8,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "intermediate_size": 32,
    "vocab_size": 128,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "tie_word_embeddings": False,
}
EXPERTS = {
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "n_shared_experts": 1,
    "n_group": 1,
    "topk_group": 1,
}
LATENT = {
    "kv_lora_rank": 32,
    "q_lora_rank": 24,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 16,
    "v_head_dim": 16,
    "num_key_value_heads": 4,
    "index_n_heads": 4,
    "index_head_dim": 16,
    "index_topk": 8,
    "first_k_dense_replace": 1,
}
VISION = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "patch_size": 14,
    "image_size": 28,
}
PER_LAYER = {
    "vocab_size_per_layer_input": 128,
    "hidden_size_per_layer_input": 8,
    "tie_word_embeddings": True,
    "sliding_window": 16,
}


def nested(model_type: str, text: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"model_type": model_type, "text_config": text, "tie_word_embeddings": False, **more}


CASES: dict[str, dict[str, Any]] = {
    "Llama4ForCausalLM": {
        **BASE,
        "model_type": "llama4_text",
        "num_local_experts": 4,
        "attention_chunk_size": 16,
        "intermediate_size_mlp": 80,
    },
    "DeepseekV32ForCausalLM": {**BASE, **EXPERTS, **LATENT, "model_type": "deepseek_v32"},
    "GlmMoeDsaForCausalLM": {
        **BASE,
        **EXPERTS,
        **LATENT,
        "model_type": "glm_moe_dsa",
        "indexer_types": ["full"] * 3 + ["shared"] * 3 + ["full", "shared"],
    },
    "Dots3NoteForCausalLM": {
        **BASE,
        **EXPERTS,
        **LATENT,
        "model_type": "dots3_note_text",
        "sliding_window": 16,
        "shared_experts_intermediate_size": 32,
        "swa_num_attention_heads": 4,
        "swa_num_key_value_heads": 4,
        "swa_q_lora_rank": 24,
        "swa_kv_lora_rank": 48,
        "swa_head_dim": 24,
        "swa_qk_nope_head_dim": 16,
        "swa_v_head_dim": 16,
    },
    "Gemma3nForCausalLM": {
        **BASE,
        **PER_LAYER,
        "model_type": "gemma3n_text",
        "num_hidden_layers": 10,
        "num_kv_shared_layers": 4,
        "laurel_rank": 8,
        "activation_sparsity_pattern": [0.0] * 10,
        "layer_types": (["sliding_attention"] * 4 + ["full_attention"]) * 2,
    },
    "Gemma4ForCausalLM": {
        **BASE,
        **PER_LAYER,
        "model_type": "gemma4_text",
        "num_hidden_layers": 12,
        "num_kv_shared_layers": 6,
        "global_head_dim": 32,
        "num_global_key_value_heads": 1,
        "attention_k_eq_v": True,
        "layer_types": (["sliding_attention"] * 2 + ["full_attention"]) * 4,
    },
    "MiMoV2FlashForCausalLM": {
        **BASE,
        **EXPERTS,
        "model_type": "mimo_v2_flash",
        "n_shared_experts": None,
        "v_head_dim": 8,
        "sliding_window_size": 15,
        "swa_num_attention_heads": 4,
        "swa_num_key_value_heads": 4,
        "swa_head_dim": 16,
        "swa_v_head_dim": 8,
    },
    "InklingForCausalLM": {
        **BASE,
        **EXPERTS,
        "model_type": "inkling_text",
        "swa_num_attention_heads": 4,
        "swa_num_key_value_heads": 4,
        "swa_head_dim": 16,
        "sliding_window_size": 16,
        "d_rel": 4,
        "rel_extent": 64,
    },
    "MiniMaxM3SparseForConditionalGeneration": nested(
        "minimax_m3_vl",
        {
            **BASE,
            "model_type": "minimax_m3_vl_text",
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "index_n_heads": 2,
            "index_head_dim": 8,
            "index_block_size": 8,
            "layer_types": ["full_attention"] * 3 + ["minimax_m3_sparse"] * 5,
            "mlp_layer_types": ["dense"] * 3 + ["sparse"] * 5,
            "dense_intermediate_size": 48,
            "shared_intermediate_size": 32,
            "rotary_dim": 8,
        },
        vision_config=VISION,
        projector_hidden_size=64,
    ),
    "MistralLarge4ForConditionalGeneration": nested(
        "mistral_large4",
        {**BASE, **EXPERTS, **LATENT, "model_type": "mistral_large4_text", "qk_rope_head_dim": 16},
        vision_config={**VISION, "model_type": "pixtral", "head_dim": 16},
    ),
}
READERS = {"Llama4ForCausalLM": llama4.read_text, "Gemma4ForCausalLM": gemma4.read_text}
LENGTH = 40


def both(name: str, config: dict[str, Any]) -> tuple[Model, Any]:
    """Our facts and the real model, with as many parameters."""
    mapping = transformers.models.auto.configuration_auto.CONFIG_MAPPING
    torch.manual_seed(0)
    real = getattr(transformers, name)(mapping[config["model_type"]].from_dict(dict(config)))
    facts = READERS.get(name, read_model)(Config({**config, "architectures": [name]}, name))
    assert facts.parameters == sum(each.numel() for each in real.parameters())
    return facts, real.eval()


def filled(real: Any, length: int, **more: Any) -> int:
    """Elements of the cache after a forward over ``length`` tokens."""
    tokens = torch.randint(3, 100, (1, length))
    with torch.no_grad():
        cache = real(tokens, use_cache=True, **more).past_key_values
    return sum(each.numel() for each in tensors(cache, set()) if each.is_floating_point())


def tensors(thing: Any, seen: set[int]) -> Iterator[Any]:
    """Every tensor that an object of Transformers holds, once."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, torch.Tensor):
        yield thing
        return
    if isinstance(thing, dict):
        inside = list(thing.values())
    elif isinstance(thing, list | tuple):
        inside = list(thing)
    elif type(thing).__module__.startswith("transformers") and not isinstance(thing, type):
        inside = list(vars(thing).values())
    else:
        return
    for each in inside:
        yield from tensors(each, seen)


def one_less(stream: CacheStream, tokens: Any) -> Any:
    """What Transformers keeps of a window."""
    window = None if stream.window is None else stream.window - 1
    return visible_tokens(stream._replace(window=window), tokens)


def states(model: Model, *names: str) -> int:
    return sum(
        count * state.elements
        for layer, count in model.layer_groups()
        for state in layer.mixer.state
        if not names or state.name in names
    )


@pytest.mark.parametrize("name", CASES)
def test_the_cache_holds_what_the_layers_say(name: str) -> None:
    model, real = both(name, CASES[name])
    kept = cache_elements(model.layer_groups(), LENGTH, kept=one_less) + states(model)
    assert filled(real, LENGTH) == kept


COMPRESSED = {
    **BASE,
    **EXPERTS,
    "model_type": "deepseek_v4",
    "num_key_value_heads": 1,
    "q_lora_rank": 24,
    "o_groups": 2,
    "o_lora_rank": 8,
    "sliding_window": 16,
    "qk_rope_head_dim": 8,
    "index_n_heads": 4,
    "index_head_dim": 8,
    "index_topk": 4,
    "compress_ratios": [0, 0, 4, 128, 4, 128, 4, 128, 0],
    "num_hash_layers": 1,
    "hc_mult": 2,
}


def test_compressed_entries_are_one_for_each_full_group() -> None:
    """At a multiple of all ratios nothing waits. Transformers keeps keys a second time, as values,
    in the layers without compression."""
    model, real = both("DeepseekV4ForCausalLM", COMPRESSED)
    kept = cache_elements(model.layer_groups(), 256, kept=one_less)
    twice = 2 * 15 * 16
    assert filled(real, 256) == kept + states(model, "last group") + twice


def test_waiting_tokens_are_at_most_one_group_less_one() -> None:
    model, real = both("DeepseekV4ForCausalLM", COMPRESSED)
    entries = cache_elements(model.layer_groups(), 128, kept=one_less)
    assert filled(real, 255) == (
        entries
        + 31 * 3 * (16 + 8)  # entries of groups of four: 63 in place of 32
        + states(model)
        + 2 * 15 * 16
    )


def test_image_tokens_are_kept_by_cross_attention_layers() -> None:
    text = {**BASE, "model_type": "mllama_text_model", "cross_attention_layers": [1, 3]}
    vision = {
        **VISION,
        "model_type": "mllama_vision_model",
        "attention_heads": 2,
        "num_global_layers": 1,
        "intermediate_layers_indices": [0],
        "vision_output_dim": 64,
        "max_num_tiles": 4,
    }
    name = "MllamaForConditionalGeneration"
    model, real = both(name, nested("mllama", text, vision_config=vision))
    layers = model.layer_groups()
    assert filled(real, LENGTH) == cache_elements(layers, LENGTH)
    picture = {
        "pixel_values": torch.randn(1, 1, 4, 3, 28, 28),
        "aspect_ratio_ids": torch.tensor([[6]]),
        "aspect_ratio_mask": torch.ones(1, 1, 4, dtype=torch.long),
        "cross_attention_mask": torch.ones(1, LENGTH, 1, 4, dtype=torch.long),
    }
    tokens = 4 * ((28 // 14) ** 2 + 1)
    held = cache_elements(layers, LENGTH, image_tokens=tokens)
    assert filled(real, LENGTH, **picture) == held
