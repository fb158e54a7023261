"""Checkpoints that store routed experts otherwise than the rest (DeepSeek-V4, MiniMax-M3-NVFP4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weighbridge.errors import ConfigError
from weighbridge.formats.format import EXPERTS, StorageFormat
from weighbridge.formats.spared import LEFT_ALONE
from weighbridge.formats.table import find_format
from weighbridge.model.facts import Parameter
from weighbridge.records import record, replace

ALGORITHMS = {"NVFP4": "nvfp4", "FP8": "fp8-tensor", "MXFP8": "mxfp8", "MXFP4": "mxfp4"}


@record(kw_only=True)
class MixedFormat(StorageFormat):
    """A format for the linear layers, and another one for the routed ``experts``."""

    experts: StorageFormat

    def bytes_of(self, parameter: Parameter) -> int:
        """Exact bytes of the parameter with all its copies."""
        if parameter.role == "expert":
            return self.experts.bytes_of(parameter)
        return StorageFormat.bytes_of(self, parameter)

    def value_bytes(self, parameter: Parameter) -> int:
        """Bytes of the largest tensor that stores it: the values, without scales beside them."""
        if parameter.role == "expert":
            return self.experts.value_bytes(parameter)
        return StorageFormat.value_bytes(self, parameter)


def mixed(experts: StorageFormat, rest: StorageFormat) -> StorageFormat:
    """``rest`` for the linear layers and ``experts`` for the routed experts."""
    if experts.name == rest.name:
        return rest
    return MixedFormat(
        name=f"{rest.name}+{experts.name}",
        title=f"{rest.title}; experts: {experts.title}",
        layout=rest.layout,
        touches=rest.touches,
        rest_bits=rest.rest_bits,
        source=f"{rest.source}; {experts.source}",
        value_bits=rest.value_bits,
        experts=experts,
    )


def experts_only(storage: StorageFormat) -> StorageFormat:
    """The format for routed experts alone, everything else in 16 bit."""
    return replace(
        storage,
        name=f"{storage.name}-experts",
        title=f"{storage.title} (routed experts only)",
        touches=EXPERTS,
    )


def leaves_all_but_experts(quantization: Mapping[str, Any]) -> bool:
    """Whether whole attention blocks are left alone, and routers or shared experts too, so that
    nothing but the routed experts remains."""
    patterns: list[str] = []
    for key in LEFT_ALONE:
        listed = quantization.get(key)
        patterns += [p for p in listed if isinstance(p, str)] if isinstance(listed, list) else []
    attention = any(p.endswith(("self_attn*", "self_attn.*")) for p in patterns)
    beside = ("shared_experts", ".gate", "router")
    return attention and any(p.rstrip(".*").endswith(beside) for p in patterns)


def by_layer(layers: Mapping[str, Any], where: str) -> StorageFormat:
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
