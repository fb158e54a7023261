"""The tensor table: what a checkpoint holds, by name, type and shape, without the numbers.

A dtype is spelled as safetensors spells it, and as ggml does where only ggml has it (``Q4_K``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

# safetensors 0.8, safetensors/src/tensor.rs, `Dtype::bitsize`
BITS_PER_ELEMENT: dict[str, int] = {
    "BOOL": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "U8": 8,
    "I8": 8,
    "F8_E5M2": 8,
    "F8_E4M3": 8,
    "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "C64": 64,
    "F64": 64,
    "I64": 64,
    "U64": 64,
}


@dataclass(frozen=True, slots=True)
class Tensor:
    """One stored tensor: its name, its dtype as safetensors spells it, its shape, its bytes.

    >>> Tensor("lm_head.weight", "BF16", (128256, 4096), 1050673152).elements
    525336576
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int

    @property
    def elements(self) -> int:
        """The product of the shape; 1 for a scalar, 0 where a dimension is 0."""
        return math.prod(self.shape)


class TensorTable(Sequence[Tensor]):
    """An immutable sequence of tensors with distinct names.

    >>> table = TensorTable([Tensor("a", "F32", (2, 3), 24), Tensor("b", "BF16", (4,), 8)])
    >>> len(table), table.total_bytes, table.elements, table.get("b").dtype
    (2, 32, 10, 'BF16')
    >>> {dtype: part.total_bytes for dtype, part in table.by_dtype().items()}
    {'F32': 24, 'BF16': 8}
    """

    __slots__ = ("_by_name", "_tensors")

    def __init__(self, tensors: Iterable[Tensor] = ()) -> None:
        """Keep ``tensors`` in their order; raises ValueError where two have one name."""
        self._tensors = tuple(tensors)
        self._by_name = {tensor.name: tensor for tensor in self._tensors}
        if len(self._by_name) != len(self._tensors):
            raise ValueError("two tensors of a table have the same name")

    @property
    def total_bytes(self) -> int:
        """Bytes of all tensors as they are stored."""
        return sum(tensor.nbytes for tensor in self._tensors)

    @property
    def elements(self) -> int:
        """Elements of all tensors; packed formats store several weights in one element."""
        return sum(math.prod(tensor.shape) for tensor in self._tensors)

    def by_dtype(self) -> dict[str, TensorTable]:
        """The table split by dtype, in order of first appearance."""
        parts: dict[str, list[Tensor]] = {}
        for tensor in self._tensors:
            parts.setdefault(tensor.dtype, []).append(tensor)
        return {dtype: TensorTable(part) for dtype, part in parts.items()}

    def get(self, name: str) -> Tensor | None:
        """The tensor called ``name``, or None."""
        return self._by_name.get(name)

    def names(self) -> Iterable[str]:
        """The names, in the order of the table."""
        return self._by_name.keys()

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice) -> TensorTable: ...
    def __getitem__(self, index: int | slice) -> Tensor | TensorTable:
        if isinstance(index, slice):
            return TensorTable(self._tensors[index])
        return self._tensors[index]

    def __len__(self) -> int:
        return len(self._tensors)

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self._tensors)

    def __contains__(self, item: object) -> bool:
        """Whether the table holds a tensor of that name, or exactly that tensor."""
        if isinstance(item, Tensor):
            return self._by_name.get(item.name) == item
        return item in self._by_name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorTable) and self._tensors == other._tensors

    def __hash__(self) -> int:
        return hash(self._tensors)

    def __repr__(self) -> str:
        return f"<TensorTable of {len(self)} tensors, {self.total_bytes} bytes>"
