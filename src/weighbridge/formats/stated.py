"""quantization_config → storage format: what a checkpoint says of its own weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weighbridge.errors import ConfigError
from weighbridge.formats import layouts
from weighbridge.formats.table import StorageFormat, find_format


def stated_format(quantization: Mapping[str, Any], where: str) -> StorageFormat:
    """The format that ``quantization_config`` names; raises ConfigError where none is known."""
    method = quantization.get("quant_method")
    if method == "fp8":
        return find_format("fp8-block" if quantization.get("weight_block_size") else "fp8-tensor")
    if method == "mxfp4":
        return find_format("mxfp4")
    if method in {"gptq", "awq"}:
        return _grouped(str(method), quantization, where)
    if method == "bitsandbytes":
        return _bitsandbytes(quantization)
    if method in {"compressed-tensors", "modelopt"} or "quant_algo" in quantization:
        return _compressed(quantization, where)
    raise ConfigError(
        f"{where}: quantization_config.quant_method = {method!r} is not known; "
        "name the format with --weights"
    )


def _grouped(method: str, quantization: Mapping[str, Any], where: str) -> StorageFormat:
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
    return base._replace(
        name=f"{method}-int{bits}-g{group}",
        title=f"{method.upper()} {bits} bit, groups of {group}",
        layout=layouts.grouped(bits, group if group > 0 else 2**30, group_index=method == "gptq"),
    )


def _bitsandbytes(quantization: Mapping[str, Any]) -> StorageFormat:
    if not quantization.get("load_in_4bit"):
        return find_format("int8")
    kind = "fp4" if quantization.get("bnb_4bit_quant_type") == "fp4" else "nf4"
    return find_format(f"{kind}-dq" if quantization.get("bnb_4bit_use_double_quant") else kind)


def _compressed(quantization: Mapping[str, Any], where: str) -> StorageFormat:
    """compressed-tensors and ModelOpt: the first group's weights decide."""
    algorithm = str(quantization.get("quant_algo", "")).upper()
    if algorithm in {"NVFP4", "FP8"}:
        return find_format({"NVFP4": "nvfp4", "FP8": "fp8-tensor"}[algorithm])
    groups = quantization.get("config_groups")
    first = next(iter(groups.values()), None) if isinstance(groups, dict) else None
    weights = first.get("weights") if isinstance(first, dict) else None
    if isinstance(weights, dict):
        kind, bits = weights.get("type"), weights.get("num_bits")
        if (kind, bits) == ("float", 8):
            strategy = weights.get("strategy")
            names = {"tensor": "fp8-tensor", "block": "fp8-block"}
            return find_format(names.get(str(strategy), "fp8"))
        if (kind, bits) == ("int", 8):
            return find_format("int8")
        if (kind, bits) == ("float", 4):
            return find_format("nvfp4" if weights.get("group_size") == 16 else "mxfp4")
        if (kind, bits) == ("int", 4):
            return _grouped("awq", {"bits": 4, "group_size": weights.get("group_size")}, where)
    raise ConfigError(
        f"{where}: quantization_config ({quantization.get('quant_method')}) does not say how its "
        "weights are stored; name the format with --weights"
    )
