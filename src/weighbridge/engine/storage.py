"""Which storage format a request means, and in which type an engine computes with it."""

from __future__ import annotations

from weighbridge.errors import ConfigError
from weighbridge.formats.table import StorageFormat, find_format
from weighbridge.model.facts import Model

ELEMENT = {"fp32": 4, "bf16": 2, "fp16": 2}
HALF_KERNELS = ("int4-g", "gptq", "awq")
STORED = {"F32": "fp32", "BF16": "bf16", "F16": "fp16"}


def settle_storage(model: Model, wanted: str, notes: list[str]) -> tuple[StorageFormat, bool]:
    """The storage format, and whether the files' own bytes are loaded as they are."""
    if wanted != "auto":
        storage = find_format(wanted)
        return storage, _holds(model, storage)
    if model.quantization:
        from weighbridge.formats.stated import stated_format

        return stated_format(model.quantization, model.id), model.stored is not None
    dtype = stored_dtype(model) or model.dtype
    if not dtype:
        notes.append(f"the dtype of {model.id} is not stated; bf16 is assumed")
        dtype = "bf16"
    return find_format(dtype), model.stored is not None


def _holds(model: Model, storage: StorageFormat) -> bool:
    """Whether the files hold the weights in this format already, so that their bytes are known."""
    if model.stored is None:
        return False
    if not model.quantization:
        return stored_dtype(model) == storage.name
    from weighbridge.formats.stated import stated_format

    try:
        return stated_format(model.quantization, model.id).name == storage.name
    except ConfigError:
        return False


def stored_dtype(model: Model) -> str | None:
    """The dtype that holds most bytes of an unquantized checkpoint; None without one."""
    if model.stored is None or model.quantization:
        return None
    sizes = {name: table.total_bytes for name, table in model.stored.by_dtype().items()}
    return STORED.get(max(sizes, key=lambda name: sizes[name], default=""))


def compute_dtype(model: Model, storage: StorageFormat) -> str:
    """The type of activations: the weights' own, or 16 bit where they are quantized."""
    if storage.name in ELEMENT:
        return storage.name
    if storage.name.startswith(HALF_KERNELS):
        return "fp16"
    return model.dtype if model.dtype in {"bf16", "fp16"} else "bf16"
