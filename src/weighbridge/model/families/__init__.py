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
    "bert": "bert:read",
    "bloom": "bloom:read",
    "cohere": "cohere:read",
    "cohere2": "cohere:read_cohere2",
    "deepseek_v2": "deepseek:read",
    "deepseek_v3": "deepseek:read",
    "ernie4_5": "ernie4_5:read",
    "exaone4": "exaone4:read",
    "falcon": "falcon:read",
    "gemma": "gemma:read_gemma",
    "gemma2": "gemma:read_gemma2",
    "gemma3": "gemma3_vision:read",
    "gemma3_text": "gemma:read_gemma3",
    "glm": "glm:read_glm",
    "glm4": "glm:read_glm4",
    "gpt2": "gpt2:read",
    "gpt_bigcode": "gpt_bigcode:read",
    "gpt_neo": "gpt_neo:read",
    "gpt_neox": "gpt_neox:read",
    "gpt_oss": "gpt_oss:read",
    "gptj": "gptj:read",
    "granite": "llama:read",
    "granite_swa": "granite_swa:read",
    "hunyuan_v1_dense": "hunyuan:read",
    "internlm2": "internlm2:read",
    "iquestcoder": "llama:read",
    "jais2": "jais2:read",
    "jina_embeddings_v3": "rotary_bert:read_jina",
    "kimi_k2": "deepseek:read",
    "llama": "llama:read",
    "mimo": "qwen2:read",
    "minicpm3": "minicpm3:read",
    "ministral": "mistral:read",
    "mistral": "mistral:read",
    "mixtral": "mixtral:read",
    "modernbert": "modernbert:read",
    "mpt": "mpt:read",
    "nemotron-nas": "nemotron_nas:read",
    "nomic_bert": "rotary_bert:read_nomic",
    "olmo": "olmo:read_olmo",
    "olmo2": "olmo:read_olmo2",
    "olmo3": "olmo:read_olmo3",
    "opt": "opt:read",
    "phi": "phi:read_phi",
    "phi-msft": "phi_msft:read",
    "phi3": "phi:read_phi3",
    "qwen": "qwen:read",
    "qwen2": "qwen2:read",
    "qwen2_moe": "qwen2_moe:read",
    "qwen3": "qwen3:read",
    "qwen3_moe": "qwen3_moe:read",
    "seed_oss": "seed_oss:read",
    "smollm3": "smollm3:read",
    "stablelm": "stablelm:read",
    "starcoder2": "starcoder2:read",
    "t5": "t5:read",
    "whisper": "whisper:read",
    "xlm-roberta": "xlm_roberta:read",
    "youtu": "minicpm3:read_youtu",
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
            f"{config.where}: no family reads model_type {model_type!r}, and its memory will not be "
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
