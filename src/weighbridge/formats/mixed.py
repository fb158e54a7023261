"""Checkpoints that store routed experts otherwise than the rest (DeepSeek-V4, MiniMax-M3-NVFP4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from weighbridge.errors import ConfigError
from weighbridge.formats.format import EXPERTS, MATRICES, StorageFormat
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


@record(kw_only=True)
class ByModule(StorageFormat):
    """A format for each module that is named (by its name inside a layer), 16 bit for the rest."""

    modules: tuple[tuple[str, StorageFormat], ...]
    experts: StorageFormat | None = None

    def stores(self, parameter: Parameter) -> bool:
        """Whether its module is named."""
        chosen = self._of(parameter)
        return chosen is not None and chosen.stores(parameter)

    def bytes_of(self, parameter: Parameter) -> int:
        """Exact bytes of the parameter with all its copies."""
        chosen = self._of(parameter)
        if chosen is None:
            return -(-parameter.elements * self.rest_bits // 8)
        return chosen.bytes_of(parameter)

    def value_bytes(self, parameter: Parameter) -> int:
        """Bytes of the largest tensor that stores it: the values, without scales beside them."""
        chosen = self._of(parameter)
        if chosen is None:
            return -(-parameter.elements * self.rest_bits // 8)
        return chosen.value_bytes(parameter)

    def _of(self, parameter: Parameter) -> StorageFormat | None:
        if parameter.role == "expert":
            return self.experts
        module = parameter.name.removesuffix(".weight")
        named = dict(self.modules)
        return named.get(module) or (
            named.get(module.rpartition(".")[2]) if parameter.role == "head" else None
        )


def by_layer(layers: Mapping[str, Any], where: str) -> StorageFormat:
    """ModelOpt's MIXED_PRECISION: an algorithm for routed experts, and one for each module of the
    rest, which has the same in all layers."""
    experts: set[str] = set()
    modules: dict[str, set[str]] = {}
    for name, said in layers.items():
        algorithm = said.get("quant_algo") if isinstance(said, dict) else None
        routed = "experts" in name and "shared" not in name
        into = experts if routed else modules.setdefault(_inside(name), set())
        into.add(str(algorithm).upper())
    every = [experts, *modules.values()]
    if any(len(each) > 1 or not each <= set(ALGORITHMS) for each in every):
        raise ConfigError(
            f"{where}: quantized_layers mixes {sorted(set().union(*every))[:8]} in a way that is "
            "not known; name the format with --weights"
        )
    of_experts = find_format(ALGORITHMS[next(iter(experts))]) if experts else None
    rest = {name: next(iter(each)) for name, each in modules.items()}
    kinds = set(rest.values())
    if not kinds:
        return experts_only(of_experts or find_format("nvfp4"))
    if len(kinds) == 1:
        alone = find_format(ALGORITHMS[kinds.pop()])
        return alone if of_experts is None else mixed(of_experts, alone)
    return _by_module(rest, of_experts)


def _by_module(rest: Mapping[str, str], experts: StorageFormat | None) -> StorageFormat:
    """Modules of several algorithms, each with its format."""
    formats = {kind: find_format(ALGORITHMS[kind]) for kind in sorted(set(rest.values()))}
    first = next(iter(formats.values()))
    names = [each.name for each in formats.values()]
    return ByModule(
        name="+".join(names),
        title="; ".join(each.title for each in formats.values()),
        layout=first.layout,
        touches=MATRICES,
        rest_bits=first.rest_bits,
        source="; ".join(dict.fromkeys(each.source for each in formats.values())),
        value_bits=first.value_bits,
        modules=tuple(
            (name, replace(formats[kind], touches=MATRICES)) for name, kind in rest.items()
        ),
        experts=experts,
    )


def _inside(name: str) -> str:
    """A module's name inside its layer, or the last part of one that stands outside."""
    inside = re.search(r"(?:^|\.)layers\.\d{1,5}\.(.+)", name, re.ASCII)
    return inside[1] if inside else name.rpartition(".")[2]
