"""Checkpoints that store routed experts otherwise than the rest (DeepSeek-V4, MiniMax-M3-NVFP4)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from weighbridge.formats.table import EXPERTS, StorageFormat
from weighbridge.model.facts import Parameter


@dataclass(frozen=True, slots=True, kw_only=True)
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
