"""quantization_config → storage format: what a checkpoint says of its own weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from weighbridge.errors import ConfigError
from weighbridge.formats import layouts
from weighbridge.formats.mixed import experts_only, mixed
from weighbridge.formats.table import LINEAR, StorageFormat, find_format

ALGORITHMS = {"NVFP4": "nvfp4", "FP8": "fp8-tensor", "MXFP8": "mxfp8", "MXFP4": "mxfp4"}
LEFT_ALONE = ("ignore", "exclude_modules", "modules_to_not_convert")


def stated_format(quantization: Mapping[str, Any], where: str) -> StorageFormat:
    """The format that ``quantization_config`` names; raises ConfigError where none is known."""
    storage = _stated(quantization, where)
    if storage.touches is LINEAR and _experts_only(quantization):
        return experts_only(storage)
    return storage


def _stated(quantization: Mapping[str, Any], where: str) -> StorageFormat:
    method = quantization.get("quant_method")
    if method is None and "quant_algo" in quantization:
        method = "modelopt"
    if method == "fp8":
        rest = find_format("fp8-block" if quantization.get("weight_block_size") else "fp8-tensor")
        return _fp8_with_experts(quantization, rest)
    if method == "mxfp4":
        return find_format("mxfp4")
    if method in {"gptq", "awq"}:
        return _grouped(str(method), quantization, where)
    if method == "bitsandbytes":
        return _bitsandbytes(quantization)
    if method in {"compressed-tensors", "modelopt"}:
        return _compressed(quantization, where)
    raise ConfigError(
        f"{where}: quantization_config.quant_method = {method!r} is not known; "
        "name the format with --weights"
    )


def _fp8_with_experts(quantization: Mapping[str, Any], rest: StorageFormat) -> StorageFormat:
    """DeepSeek-V4's experts: packed fp4 in groups of 32 (transformers, finegrained_fp8.py), or
    NVFP4 where ModelOpt says ``moe_quant_algo``."""
    if quantization.get("moe_quant_algo") == "NVFP4":
        return mixed(find_format("nvfp4"), rest)
    if quantization.get("expert_dtype") == "fp4":
        return mixed(find_format("mxfp4"), rest)
    return rest


def _experts_only(quantization: Mapping[str, Any]) -> bool:
    """Whether whole attention blocks are left alone, and routers or shared experts too, so that
    nothing but the routed experts remains."""
    patterns: list[str] = []
    for key in LEFT_ALONE:
        listed = quantization.get(key)
        patterns += [p for p in listed if isinstance(p, str)] if isinstance(listed, list) else []
    attention = any(p.endswith(("self_attn*", "self_attn.*")) for p in patterns)
    beside = ("shared_experts", ".gate", "router")
    return attention and any(p.rstrip(".*").endswith(beside) for p in patterns)


def _by_layer(layers: Mapping[str, Any], where: str) -> StorageFormat:
    """ModelOpt's MIXED_PRECISION: one algorithm for routed experts and one for the rest."""
    found: dict[bool, set[str]] = {True: set(), False: set()}
    for name, said in layers.items():
        algorithm = said.get("quant_algo") if isinstance(said, dict) else None
        found["experts" in name and "shared" not in name].add(str(algorithm).upper())
    if any(len(each) > 1 or not each <= set(ALGORITHMS) for each in found.values()):
        raise ConfigError(
            f"{where}: quantized_layers mixes {sorted(found[True] | found[False])} in a way that "
            "is not known; name the format with --weights"
        )
    experts, rest = (
        find_format(ALGORITHMS[next(iter(each))]) if each else None
        for each in (found[True], found[False])
    )
    if experts is None or rest is None:
        return rest or experts_only(experts or find_format("nvfp4"))
    return mixed(experts, rest)


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
    return replace(
        base,
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
    if algorithm in ALGORITHMS:
        return find_format(ALGORITHMS[algorithm])
    if isinstance(quantization.get("quantized_layers"), dict):
        return _by_layer(quantization["quantized_layers"], where)
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
