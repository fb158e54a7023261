"""A checkpoint in a folder → the model on its devices, by ``from_pretrained``.

Only safetensors are read, so that nothing is unpickled; code that a repository brings runs only
where the user named that repository. Versions before 5.3 could be made to run code by a config
(CVE-2026-4372) and are refused.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping
from typing import Any

import torch

from weighbridge.errors import RequestError
from weighbridge.trace.question import DTYPES

OLDEST = (5, 3)
EIGHT_BIT: dict[str, Any] = {"load_in_8bit": True}
FOUR_BIT: dict[str, Any] = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
QUANTIZED: dict[str, dict[str, Any]] = {
    "int8": EIGHT_BIT,
    "nf4": FOUR_BIT,
    "nf4-dq": {**FOUR_BIT, "bnb_4bit_use_double_quant": True},
}


def load_model(
    folder: str,
    weights: str,
    device_map: Any,
    *,
    attention: str = "auto",
    max_memory: Mapping[int | str, int] | None = None,
    offload: str | None = None,
    trusted: bool = False,
) -> Any:
    """The model of a folder; ``weights`` is ``auto``, a 16 or 32 bit type, int8, nf4 or nf4-dq."""
    import transformers

    check_version(transformers.__version__)
    options: dict[str, Any] = {
        "device_map": device_map,
        "dtype": getattr(torch, DTYPES[weights]) if weights in DTYPES else "auto",
        "use_safetensors": True,
        "local_files_only": True,
        "trust_remote_code": trusted,
    }
    if attention != "auto":
        options["attn_implementation"] = attention
    if max_memory is not None:
        options["max_memory"] = dict(max_memory)
    if offload is not None:
        options["offload_folder"] = offload
    if weights in QUANTIZED:
        how = dict(QUANTIZED[weights])
        half = _half(folder)
        if "load_in_4bit" in how:
            how["bnb_4bit_compute_dtype"] = half
        options["quantization_config"] = transformers.BitsAndBytesConfig(**how)
        options["dtype"] = half
    kind = auto_class(folder, trusted=trusted)
    try:
        model = kind.from_pretrained(folder, **options)
    except (OSError, ValueError, ImportError, KeyError) as error:
        said = " ".join(str(error).split())[:300]
        raise RequestError(f"Transformers cannot load the checkpoint: {said}") from None
    return model.eval().requires_grad_(False)


def _half(folder: str) -> torch.dtype:
    """The 16-bit type of a checkpoint's config, as plans take it; bf16 where it has none."""
    from weighbridge.model.raw import raw_config

    raw = raw_config(folder)
    own = str(raw.get("dtype") or raw.get("torch_dtype"))
    return torch.float16 if own in {"float16", "fp16"} else torch.bfloat16


def give_back() -> None:
    """Free pages inside the C heap go back to the system, where glibc can (malloc_trim(3)).

    Quantizing leaves up to 450 MiB of them between weights of 130 million parameters.
    """
    import ctypes

    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def auto_class(folder: str, *, trusted: bool) -> Any:
    """The auto class that loads the config of a folder: a language model's where there is one."""
    import transformers

    if trusted:
        return transformers.AutoModelForCausalLM
    from weighbridge.model.raw import raw_config
    from weighbridge.trace.build import model_class
    from weighbridge.trace.settings import make_config

    raw = raw_config(folder)
    kind = type(make_config(raw))
    named = raw.get("architectures")
    return model_class(kind(), named if isinstance(named, list) else None)


def check_version(version: str) -> None:
    """Refuse a version that a config could make run code."""
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        raise RequestError(
            f"Transformers {version} may run code that a config names; running needs 5.3 or later"
        )
