"""Families: config.json → facts, one small mapping each.

To add an architecture of known parts, write one file with a ``read(config) -> Model`` and one row
here; put its config into ``tests/configs`` and its published count into the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from weighbridge.errors import UnknownArchitecture
from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.records import replace

FAMILIES = {
    "afmoe": "afmoe:read",
    "apertus": "apertus:read",
    "arcee": "arcee:read",
    "arctic": "arctic:read",
    "axk1": "axk1:read",
    "bailing_hybrid": "kimi_linear:read_bailing",
    "bailing_moe": "bailing_moe:read",
    "beam": "beam:read",
    "bert": "bert:read",
    "bloom": "bloom:read",
    "cohere": "cohere:read",
    "cohere2": "cohere:read_cohere2",
    "dbrx": "dbrx:read",
    "deepseek_ref": "deepseek_v4:read",
    "deepseek_v2": "deepseek:read",
    "deepseek_v3": "deepseek:read",
    "deepseek_v32": "deepseek_v32:read",
    "deepseek_v4": "deepseek_v4:read",
    "dots3_note_text": "dots3:read",
    "ernie4_5": "ernie4_5:read",
    "ernie4_5_moe": "ernie4_5_moe:read",
    "ernie4_5_vl_moe": "ernie_vl:read",
    "exaone4": "exaone4:read",
    "falcon": "falcon:read",
    "falcon_h1": "falcon_h1:read",
    "falcon_mamba": "mamba:read_mamba",
    "flex_olmo": "olmoe:read_flex",
    "fuyu": "fuyu:read",
    "gemma": "gemma:read_gemma",
    "gemma2": "gemma:read_gemma2",
    "gemma3": "gemma3_vision:read",
    "gemma3_text": "gemma:read_gemma3",
    "gemma3n_text": "gemma3n:read",
    "gemma4": "gemma4:read",
    "glm": "glm:read_glm",
    "glm4": "glm:read_glm4",
    "glm46v": "glm4v:read",
    "glm4_moe": "glm4_moe:read",
    "glm5_next": "glm5_next:read",
    "glm_moe_dsa": "deepseek_v32:read",
    "gpt2": "gpt2:read",
    "gpt_bigcode": "gpt_bigcode:read",
    "gpt_neo": "gpt_neo:read",
    "gpt_neox": "gpt_neox:read",
    "gpt_oss": "gpt_oss:read",
    "gptj": "gptj:read",
    "granite": "llama:read",
    "granite_swa": "granite_swa:read",
    "granitemoehybrid": "granite_hybrid:read",
    "hunyuan_v1_dense": "hunyuan:read",
    "hunyuan_v1_moe": "hunyuan_moe:read",
    "hy_v3": "hy_v3:read",
    "inkling_text": "inkling:read",
    "internlm2": "internlm2:read",
    "iquestcoder": "llama:read",
    "jais2": "jais2:read",
    "jamba": "jamba:read",
    "jina_embeddings_v3": "rotary_bert:read_jina",
    "kimi_k2": "deepseek:read",
    "kimi_k25": "kimi_k25:read",
    "kimi_k3": "kimi_k3:read",
    "kimi_linear": "kimi_linear:read_kimi",
    "kosmos-2.5": "kosmos2_5:read",
    "lfm2": "lfm2:read_lfm2",
    "lfm2_moe": "lfm2:read_lfm2_moe",
    "lfm3": "lfm2:read_lfm3",
    "llama": "llama:read",
    "llama4": "llama4:read",
    "llava": "llava:read_llava",
    "mamba": "mamba:read_mamba",
    "mamba2": "mamba:read_mamba2",
    "mellum": "hy_v3:read_mellum",
    "mimo": "qwen2:read",
    "mimo_v2_flash": "mimo_v2:read",
    "minicpm3": "minicpm3:read",
    "minimax": "minimax:read",
    "minimax_m2": "minimax_m2:read",
    "minimax_m3_vl": "minimax_m3:read",
    "ministral": "mistral:read",
    "mistral": "mistral:read",
    "mistral3": "llava:read_mistral3",
    "mistral_large4": "mistral_large4:read",
    "mixtral": "mixtral:read",
    "mllama": "mllama:read",
    "modernbert": "modernbert:read",
    "mpt": "mpt:read",
    "muse_glimmer": "muse:read_glimmer",
    "muse_spark": "muse:read_spark",
    "nemotron-nas": "nemotron_nas:read",
    "nemotron_h": "nemotron_h:read",
    "nomic_bert": "rotary_bert:read_nomic",
    "olmo": "olmo:read_olmo",
    "olmo2": "olmo:read_olmo2",
    "olmo3": "olmo:read_olmo3",
    "olmo_hybrid": "olmo_hybrid:read",
    "olmoe": "olmoe:read",
    "opt": "opt:read",
    "phi": "phi:read_phi",
    "phi-msft": "phi_msft:read",
    "phi3": "phi:read_phi3",
    "phimoe": "phimoe:read",
    "qwen": "qwen:read",
    "qwen2": "qwen2:read",
    "qwen2_5_vl": "qwen_vl:read_qwen2_5",
    "qwen2_moe": "qwen2_moe:read",
    "qwen2_vl": "qwen_vl:read_qwen2",
    "qwen3": "qwen3:read",
    "qwen3_5": "qwen3_5:read_dense",
    "qwen3_5_moe": "qwen3_5:read_experts",
    "qwen3_moe": "qwen3_moe:read",
    "qwen3_next": "qwen3_next:read",
    "qwen3_vl": "qwen_vl:read_qwen3",
    "qwen3_vl_moe": "qwen_vl:read_qwen3_moe",
    "recurrent_gemma": "recurrent_gemma:read",
    "rwkv7": "rwkv7:read",
    "seed_oss": "seed_oss:read",
    "smollm3": "smollm3:read",
    "solar_open": "glm4_moe:read_solar_open",
    "stablelm": "stablelm:read",
    "starcoder2": "starcoder2:read",
    "step3_vl": "step3:read",
    "step3p7": "step3p7:read",
    "t5": "t5:read",
    "whisper": "whisper:read",
    "xlm-roberta": "xlm_roberta:read",
    "xlstm": "xlstm:read",
    "youtu": "minicpm3:read_youtu",
    "zamba": "zamba:read_zamba",
    "zamba2": "zamba:read_zamba2",
    "zaya": "zaya:read",
}


def read_model(config: Config) -> Model:
    """The facts of the architecture that the config names.

    Raises :class:`UnknownArchitecture` where no family reads it: its memory would be a guess.
    """
    model_type = config.text("model type", "model_type")
    if model_type is None:
        raise config.refuse("model_type", "is missing, so the architecture cannot be known")
    if model_type not in FAMILIES:
        raise UnknownArchitecture(
            f"{config.where}: no family reads model_type {model_type!r}, and its memory is not "
            f"guessed; known are {', '.join(FAMILIES)}"
        )
    model = _reader(model_type)(config)
    return replace(
        model,
        family=model_type,
        quantization=_quantization(config),
        answers=dict(config.answers),
        dtype=model.dtype or config.dtype() or "",
    )


def _quantization(config: Config) -> dict[str, Any] | None:
    """``quantization_config``, which nested configs may keep with the text model; DeepSeek-V4 says
    ``expert_dtype`` beside it."""
    text = config.section("text_config") or config
    found = config.section("quantization_config") or text.section("quantization_config")
    if found is None:
        return None
    beside = {key: config.raw[key] for key in ("expert_dtype",) if key in config.raw}
    return {**found.raw, **beside}


def _reader(model_type: str) -> Callable[[Config], Model]:
    module, _, function = FAMILIES[model_type].partition(":")
    reader: Callable[[Config], Model] = getattr(
        import_module(f"weighbridge.model.families.{module}"), function
    )
    return reader
