"""The formats of weights, activations and cache that vLLM takes for a request."""

from __future__ import annotations

from weighbridge.engine import Question
from weighbridge.engine.storage import ELEMENT, stored_dtype
from weighbridge.errors import RequestError
from weighbridge.formats.cache import CacheFormat, find_cache_format
from weighbridge.formats.stated import stated_format
from weighbridge.formats.table import StorageFormat, find_format
from weighbridge.model.facts import Model

BF16_CAPABILITY = (8, 0)

# --quantization names that quantize 16-bit weights while loading; others name what files hold.
ON_LOADING = {
    "fp8": "fp8-tensor",
    "bitsandbytes": "nf4",
    "ptpc_fp8": "fp8",
    "experts_int8": "int8",
    "torchao": "torchao-int8",
}
KNOWN = (*ON_LOADING, "awq", "awq_marlin", "gptq", "gptq_marlin", "compressed-tensors", "modelopt",
         "modelopt_fp4", "mxfp4", "gguf", "auto-round", "moe_wna16", "hqq", "quark", "inc",
         "fbgemm_fp8", "deepspeedfp", "tpu_int8", "petit_nvfp4")  # fmt: skip


def storage_of(question: Question, notes: list[str]) -> tuple[StorageFormat, bool]:
    """The format of the weights on the device, and whether the files' own bytes are loaded."""
    model, wanted = question.model, question.deployment.weights
    asked = question.deployment.own.get("quantization")
    if asked is not None and asked not in KNOWN:
        raise RequestError(f"quantization {asked!r} is not one that vLLM has: {', '.join(KNOWN)}")
    if model.quantization and wanted in {"auto", "fp16", "bf16"}:
        stored = model.stored is not None
        return stated_format(model.quantization, model.id).for_model(model), stored
    if asked in ON_LOADING:
        return find_format(ON_LOADING[asked]).for_model(model), False
    if wanted != "auto":
        return find_format(wanted).for_model(model), False
    dtype = stored_dtype(model) or model.dtype
    if not dtype:
        notes.append(f"the dtype of {model.id} is not stated; bf16 is assumed")
    name = "bf16" if dtype in {"", "fp32"} else dtype
    return find_format(name).for_model(model), model.stored is not None and name == dtype


def compute_dtype(
    model: Model,
    storage: StorageFormat,
    capability: tuple[int, int] | None,
    notes: list[str],
) -> str:
    """The activations' type; cards before Ampere have no bfloat16."""
    dtype = storage.name if storage.name in ELEMENT else model.dtype
    dtype = dtype if dtype in {"bf16", "fp16", "fp32"} else "bf16"
    if dtype == "bf16" and capability is not None and capability < BF16_CAPABILITY:
        notes.append("the card has no bfloat16; float16 is taken (older versions ask for --dtype)")
        return "fp16"
    return dtype


def cache_format(wanted: str, compute: str) -> CacheFormat:
    """The cache's type; ``auto`` is the activations'."""
    found = find_cache_format(compute if wanted == "auto" else wanted)
    if "vllm" not in found.engines:
        raise RequestError(
            f"vLLM cannot keep its cache in {found.name}; use auto, fp8, fp8_per_token_head or "
            "int8_per_token_head"
        )
    return found
