"""Families: config.json → facts, one small mapping each.

To add an architecture of known parts, write one file with a ``read(config) -> Model`` and one row
here; put its config into ``tests/configs`` and its published count into the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module

from weighbridge.errors import UnknownArchitecture
from weighbridge.model.config import Config
from weighbridge.model.facts import Model

FAMILIES = {
    "apertus": "apertus:read",
    "arcee": "arcee:read",
    "bailing_hybrid": "kimi_linear:read_bailing",
    "bert": "bert:read",
    "bloom": "bloom:read",
    "cohere": "cohere:read",
    "cohere2": "cohere:read_cohere2",
    "deepseek_v2": "deepseek:read",
    "deepseek_v3": "deepseek:read",
    "ernie4_5": "ernie4_5:read",
    "exaone4": "exaone4:read",
    "falcon": "falcon:read",
    "falcon_h1": "falcon_h1:read",
    "falcon_mamba": "mamba:read_mamba",
    "gemma": "gemma:read_gemma",
    "gemma2": "gemma:read_gemma2",
    "gemma3": "gemma3_vision:read",
    "gemma3_text": "gemma:read_gemma3",
    "glm": "glm:read_glm",
    "glm4": "glm:read_glm4",
    "glm5_next": "glm5_next:read",
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
    "internlm2": "internlm2:read",
    "iquestcoder": "llama:read",
    "jais2": "jais2:read",
    "jamba": "jamba:read",
    "jina_embeddings_v3": "rotary_bert:read_jina",
    "kimi_k2": "deepseek:read",
    "kimi_k3": "kimi_k3:read",
    "kimi_linear": "kimi_linear:read_kimi",
    "lfm2": "lfm2:read_lfm2",
    "lfm2_moe": "lfm2:read_lfm2_moe",
    "lfm3": "lfm2:read_lfm3",
    "llama": "llama:read",
    "mamba": "mamba:read_mamba",
    "mamba2": "mamba:read_mamba2",
    "mimo": "qwen2:read",
    "minicpm3": "minicpm3:read",
    "minimax": "minimax:read",
    "ministral": "mistral:read",
    "mistral": "mistral:read",
    "mixtral": "mixtral:read",
    "modernbert": "modernbert:read",
    "mpt": "mpt:read",
    "nemotron-nas": "nemotron_nas:read",
    "nemotron_h": "nemotron_h:read",
    "nomic_bert": "rotary_bert:read_nomic",
    "olmo": "olmo:read_olmo",
    "olmo2": "olmo:read_olmo2",
    "olmo3": "olmo:read_olmo3",
    "olmo_hybrid": "olmo_hybrid:read",
    "opt": "opt:read",
    "phi": "phi:read_phi",
    "phi-msft": "phi_msft:read",
    "phi3": "phi:read_phi3",
    "qwen": "qwen:read",
    "qwen2": "qwen2:read",
    "qwen2_moe": "qwen2_moe:read",
    "qwen3": "qwen3:read",
    "qwen3_5": "qwen3_5:read_dense",
    "qwen3_5_moe": "qwen3_5:read_experts",
    "qwen3_moe": "qwen3_moe:read",
    "qwen3_next": "qwen3_next:read",
    "recurrent_gemma": "recurrent_gemma:read",
    "seed_oss": "seed_oss:read",
    "smollm3": "smollm3:read",
    "stablelm": "stablelm:read",
    "starcoder2": "starcoder2:read",
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
    quantization = config.section("quantization_config")
    return replace(
        model,
        family=model_type,
        quantization=None if quantization is None else quantization.raw,
        answers=dict(config.answers),
        dtype=model.dtype or config.dtype() or "",
    )


def _reader(model_type: str) -> Callable[[Config], Model]:
    module, _, function = FAMILIES[model_type].partition(":")
    reader: Callable[[Config], Model] = getattr(
        import_module(f"weighbridge.model.families.{module}"), function
    )
    return reader
