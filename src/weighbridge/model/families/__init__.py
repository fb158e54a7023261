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
    "bailing_hybrid": "kimi_linear:read_bailing",
    "bert": "bert:read",
    "deepseek_v2": "deepseek:read",
    "deepseek_v3": "deepseek:read",
    "falcon_h1": "falcon_h1:read",
    "falcon_mamba": "mamba:read_mamba",
    "gemma": "gemma:read_gemma",
    "gemma2": "gemma:read_gemma2",
    "gemma3": "gemma3_vision:read",
    "gemma3_text": "gemma:read_gemma3",
    "glm5_next": "glm5_next:read",
    "gpt2": "gpt2:read",
    "gpt_oss": "gpt_oss:read",
    "granitemoehybrid": "granite_hybrid:read",
    "jamba": "jamba:read",
    "kimi_k2": "deepseek:read",
    "kimi_k3": "kimi_k3:read",
    "kimi_linear": "kimi_linear:read_kimi",
    "lfm2": "lfm2:read_lfm2",
    "lfm2_moe": "lfm2:read_lfm2_moe",
    "lfm3": "lfm2:read_lfm3",
    "llama": "llama:read",
    "mamba": "mamba:read_mamba",
    "mamba2": "mamba:read_mamba2",
    "minimax": "minimax:read",
    "mistral": "mistral:read",
    "mixtral": "mixtral:read",
    "nemotron_h": "nemotron_h:read",
    "olmo_hybrid": "olmo_hybrid:read",
    "phi": "phi:read_phi",
    "phi3": "phi:read_phi3",
    "qwen2": "qwen2:read",
    "qwen2_moe": "qwen2_moe:read",
    "qwen3": "qwen3:read",
    "qwen3_5": "qwen3_5:read_dense",
    "qwen3_5_moe": "qwen3_5:read_experts",
    "qwen3_moe": "qwen3_moe:read",
    "qwen3_next": "qwen3_next:read",
    "recurrent_gemma": "recurrent_gemma:read",
    "xlstm": "xlstm:read",
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
