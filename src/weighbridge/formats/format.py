"""What a storage format is: a layout, the tensors it touches, and what it does with the others."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from weighbridge.formats.layouts import Layout
from weighbridge.model.facts import Model, Parameter, Role

EVERYTHING: frozenset[Role] = frozenset(
    {"embedding", "head", "linear", "expert", "router", "norm", "bias", "other"}
)
LINEAR: frozenset[Role] = frozenset({"linear", "expert"})
MATRICES: frozenset[Role] = frozenset({"linear", "expert", "embedding", "head"})
HEAD_TOO: frozenset[Role] = frozenset({"linear", "expert", "head"})
EXPERTS: frozenset[Role] = frozenset({"expert"})


@dataclass(frozen=True, slots=True)
class StorageFormat:
    """A way to store weights.

    ``layout`` gives the bytes of a (rows, columns) matrix; ``touches`` are the roles that it
    stores so; everything else is kept in ``rest_bits`` per element; ``value_bits`` is the width of
    a value without its scales, the nominal bits. ``head`` is the layout of the output head where a
    format gives it another.
    """

    name: str
    title: str
    layout: Layout
    touches: frozenset[Role]
    rest_bits: int
    source: str
    aliases: tuple[str, ...] = ()
    value_bits: int = 16
    head: Layout | None = None

    def stores(self, parameter: Parameter) -> bool:
        """Whether this parameter is stored in the format rather than left in 16 bit."""
        return parameter.role in self.touches and (
            self.touches is EVERYTHING or len(parameter.shape) >= 2
        )

    def bytes_of(self, parameter: Parameter) -> int:
        """Exact bytes of the parameter with all its copies."""
        if not self.stores(parameter):
            return -(-parameter.elements * self.rest_bits // 8)
        *stack, rows, columns = (1, *parameter.shape) if parameter.shape else (1, 1)
        layout = self.head if self.head and parameter.role == "head" else self.layout
        return layout(rows, columns) * prod(stack) * parameter.copies

    def value_bytes(self, parameter: Parameter) -> int:
        """Bytes of the largest tensor that stores it: the values, without scales beside them."""
        bits = self.value_bits if self.stores(parameter) else self.rest_bits
        return -(-parameter.elements * bits // 8)

    def for_model(self, model: Model) -> StorageFormat:  # noqa: ARG002
        """The format as it is applied to this model, where that depends on the model."""
        return self

    @property
    def by_layer(self) -> bool:
        """Whether a tensor's bytes depend on the layer that its name says."""
        return False

    @property
    def bits_per_weight(self) -> float:
        """Bits per weight of a large matrix that the format touches, scales included."""
        return self.layout(16384, 16384) * 8 / 16384**2
