"""quantization_config → storage format: what a checkpoint says of its own weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from weighbridge.errors import ConfigError, RequestError
from weighbridge.formats import layouts
from weighbridge.formats.format import LINEAR
from weighbridge.formats.mixed import (
    ALGORITHMS,
    by_layer,
    experts_only,
    leaves_all_but_experts,
    mixed,
)
from weighbridge.formats.mixtures import FILE_TYPES
from weighbridge.formats.spared import sparing
from weighbridge.formats.table import StorageFormat, find_format
from weighbridge.records import replace

PLAIN = ("F32", "F16", "BF16")


def stated_format(quantization: Mapping[str, Any], where: str) -> StorageFormat:
    """The format that ``quantization_config`` names; raises ConfigError where none is known."""
    storage = _stated(quantization, where)
    if storage.touches is LINEAR and leaves_all_but_experts(quantization):
        return experts_only(storage)
    return sparing(storage, quantization) if storage.touches is LINEAR else storage


def _stated(quantization: Mapping[str, Any], where: str) -> StorageFormat:
    method = quantization.get("quant_method")
    if method is None and "quant_algo" in quantization:
        method = "modelopt"
    read = _METHODS.get(method) if isinstance(method, str) else None
    if read is None:
        raise ConfigError(
            f"{where}: quantization_config.quant_method = {method!r} is not known; "
            "name the format with --weights"
        )
    return read(quantization, where)


def _fp8(quantization: Mapping[str, Any], _: str) -> StorageFormat:
    """FP8, with DeepSeek-V4's experts in packed fp4 (transformers, finegrained_fp8.py), or in
    NVFP4 where ModelOpt says ``moe_quant_algo``."""
    rest = find_format("fp8-block" if quantization.get("weight_block_size") else "fp8-tensor")
    if quantization.get("moe_quant_algo") == "NVFP4":
        return mixed(find_format("nvfp4"), rest)
    if quantization.get("expert_dtype") == "fp4":
        return mixed(find_format("mxfp4"), rest)
    return rest


def _gguf(quantization: Mapping[str, Any], _: str) -> StorageFormat:
    """The mixture that the file says it is; the type of most of its bytes where it does not."""
    commonest = str(quantization.get("commonest_type")).lower()
    file_type = quantization.get("file_type")
    known = FILE_TYPES.get(file_type) if type(file_type) is int else None
    name = known[0].lower() if known is not None and known[0] not in PLAIN else commonest
    return find_format(f"ggml-{name}" if name in {"mxfp4", "nvfp4"} else name)


def _grouped(quantization: Mapping[str, Any], where: str) -> StorageFormat:
    method = quantization["quant_method"]
    bits = quantization.get("bits", quantization.get("w_bit", 4))
    group = quantization.get("group_size", quantization.get("q_group_size", 128))
    if bits not in {2, 3, 4, 8} or not isinstance(group, int) or not -1 <= group <= 2**16:
        raise ConfigError(
            f"{where}: quantization_config has bits = {bits!r} and group_size = {group!r}, "
            "which no GPTQ or AWQ checkpoint has"
        )
    base = find_format("gptq-int4" if method == "gptq" else "int4-g128")
    if (bits, group) == (4, 128):
        return base
    return replace(
        base,
        name=f"{method}-int{bits}-g{group}",
        title=f"{method.upper()} {bits} bit, groups of {group}",
        layout=layouts.grouped(bits, group if group > 0 else 2**30, group_index=method == "gptq"),
    )


def _bitsandbytes(quantization: Mapping[str, Any], _: str) -> StorageFormat:
    if not quantization.get("load_in_4bit"):
        return find_format("int8")
    kind = "fp4" if quantization.get("bnb_4bit_quant_type") == "fp4" else "nf4"
    return find_format(f"{kind}-dq" if quantization.get("bnb_4bit_use_double_quant") else kind)


def _compressed(quantization: Mapping[str, Any], where: str) -> StorageFormat:
    """compressed-tensors and ModelOpt: the first group's weights decide."""
    algorithm = str(quantization.get("quant_algo", "")).upper()
    if algorithm in ALGORITHMS:
        return find_format(ALGORITHMS[algorithm])
    if isinstance(quantization.get("quantized_layers"), dict):
        return by_layer(quantization["quantized_layers"], where)
    groups = quantization.get("config_groups")
    first = next(iter(groups.values()), None) if isinstance(groups, dict) else None
    weights = first.get("weights") if isinstance(first, dict) else None
    if isinstance(first, dict) and isinstance(weights, dict):
        stated = str(quantization.get("format") or first.get("format") or "")
        found = _of_group(weights, stated, inputs=first.get("input_activations") is not None)
        if found is not None:
            return found
    raise ConfigError(
        f"{where}: quantization_config ({quantization.get('quant_method')}) does not say how its "
        "weights are stored; name the format with --weights"
    )


def _of_group(weights: Mapping[str, Any], stated: str, *, inputs: bool) -> StorageFormat | None:
    """The format of a group's weights; ``inputs`` says that activations are quantized too."""
    bits, group = weights.get("num_bits"), weights.get("group_size")
    kind = (weights.get("type"), bits)
    if kind == ("float", 8):
        strategies = {"tensor": "fp8-tensor", "block": "fp8-block-ct", "group": "mxfp8"}
        return find_format(strategies.get(str(weights.get("strategy")), "fp8-dynamic"))
    if kind == ("float", 4):
        return find_format(("nvfp4-ct" if inputs else "nvfp4") if group == 16 else "mxfp4-ct")
    if kind in {("int", 8), ("int", 4)}:
        if stated == "int-quantized" or (kind == ("int", 8) and inputs and not stated):
            return find_format("w8a8" if bits == 8 else "w4a8")
        size = group if group in {32, 64, 128} else -1
        uneven = "" if weights.get("symmetric", True) else "-asym"
        return find_format(f"w{bits}a16-g{size}{uneven}")
    return None


def _exllama(quantization: Mapping[str, Any], where: str) -> StorageFormat:
    method = quantization["quant_method"]
    bits = quantization.get("bits")
    if isinstance(bits, bool) or not isinstance(bits, int | float) or not 1 <= bits <= 8:
        raise ConfigError(
            f"{where}: quantization_config has bits = {bits!r}, which no {method} has"
        )
    return find_format(f"{method}-{round(float(bits), 2):g}bpw")


def _hqq(quantization: Mapping[str, Any], where: str) -> StorageFormat:
    inner: Any = quantization.get("quant_config")
    inner = inner.get("weight_quant_params") if isinstance(inner, dict) else None
    params = inner if isinstance(inner, dict) else quantization
    bits = params.get("nbits", params.get("bits", 4))
    group = params.get("group_size", 64)
    try:
        return find_format(f"hqq-int{bits}-g{group}")
    except RequestError:
        raise ConfigError(
            f"{where}: quantization_config has nbits = {bits!r} and group_size = {group!r}, "
            "which HQQ does not have"
        ) from None


_METHODS: dict[str, Callable[[Mapping[str, Any], str], StorageFormat]] = {
    "awq": _grouped,
    "bitsandbytes": _bitsandbytes,
    "compressed-tensors": _compressed,
    "exl2": _exllama,
    "exl3": _exllama,
    "fp8": _fp8,
    "gguf": _gguf,
    "gptq": _grouped,
    "hqq": _hqq,
    "modelopt": _compressed,
    "mxfp4": lambda *_: find_format("mxfp4"),
}
