"""The descriptions of a GGUF file's tensors, checked one by one and against each other.

Unlike llama.cpp, which wants them described in the order of their data (ggml/src/gguf.cpp), any
order is read; like it, data must follow data with no more between than the alignment asks for.
"""

from __future__ import annotations

import math
import struct

from weighbridge.model.bounded import quoted
from weighbridge.model.ggml import BY_NUMBER, REMOVED, GgmlType
from weighbridge.model.gguf_cursor import Cursor
from weighbridge.model.tensors import Tensor, TensorTable

MAX_TENSORS, MAX_NAME_BYTES = 2**17, 512
MAX_DIMENSIONS, MAX_DIMENSION = 4, 2**48
LEAST_TENSOR = 8 + 1 + 4 + 4 + 8


def padded(count: int, alignment: int) -> int:
    """``count`` bytes rounded up to the alignment."""
    return -(-count // alignment) * alignment


class Descriptions:
    """The descriptions of the tensors, read one by one and checked, then laid end to end."""

    def __init__(self, cursor: Cursor, count: int, alignment: int) -> None:
        """Read ``count`` of them from ``cursor``."""
        self.cursor = cursor
        self.alignment = alignment
        self.found: list[tuple[int, Tensor]] = []
        names: set[str] = set()
        for _ in range(count):
            name = cursor.text(MAX_NAME_BYTES, "a tensor's name")
            if not name or not name.isprintable():
                cursor.refuse(f"has a tensor named {quoted(name)}, which is no printable name")
            if name in names:
                cursor.refuse(f"describes tensor {quoted(name)} twice")
            names.add(name)
            self.found.append(self._described(name))

    def _described(self, name: str) -> tuple[int, Tensor]:
        cursor, what = self.cursor, f"the description of tensor {quoted(name)}"
        dimensions = cursor.u32(what)
        if dimensions > MAX_DIMENSIONS:
            cursor.refuse(
                f"gives tensor {quoted(name)} {dimensions:,} dimensions, where ggml has at most "
                f"{MAX_DIMENSIONS}"
            )
        sizes = struct.unpack(f"<{dimensions}Q", cursor.take(8 * dimensions, what))
        number, offset = struct.unpack("<IQ", cursor.take(12, what))
        kind = self._kind(name, number)
        columns = sizes[0] if sizes else 1
        elements = math.prod(sizes)
        if any(size > MAX_DIMENSION for size in sizes) or elements >= 2**63:
            cursor.refuse(
                f"gives tensor {quoted(name)} the shape {quoted(sizes)}, which is more than can be "
                "counted"
            )
        if columns % kind.block:
            cursor.refuse(
                f"gives tensor {quoted(name)} rows of {columns:,} values, which {kind.name} cannot "
                f"cut into blocks of {kind.block}"
            )
        if offset % self.alignment:
            cursor.refuse(
                f"places tensor {quoted(name)} at byte {offset:,} of the data, which is no "
                f"multiple of the alignment {self.alignment}"
            )
        return offset, Tensor(name, kind.name, sizes[::-1], kind.bytes_of(elements))

    def _kind(self, name: str, number: int) -> GgmlType:
        kind = BY_NUMBER.get(number)
        if kind is None:
            removed = REMOVED.get(number)
            self.cursor.refuse(
                f"stores tensor {quoted(name)} in type {number:,}, which is not known"
                if removed is None
                else f"stores tensor {quoted(name)} in {removed}, which llama.cpp has removed; "
                "quantize the model anew"
            )
        return kind

    def laid_out(self, start: int) -> TensorTable:
        """The table in the order of the data, which begins at byte ``start`` of the file."""
        order = sorted(self.found, key=lambda each: (each[0], each[1].nbytes))
        at = end = 0
        for offset, tensor in order:
            if offset != at:
                fault = "leaving a hole" if offset > at else "inside another tensor"
                self.cursor.refuse(
                    f"places tensor {quoted(tensor.name)} at byte {offset:,} of the data, {fault}: "
                    f"those before it end at {at:,}"
                )
            end = offset + tensor.nbytes
            at = padded(end, self.alignment)
        if start + end > self.cursor.size:
            self.cursor.refuse(
                f"describes {start + end:,} bytes of header and tensors but has only "
                f"{self.cursor.size:,}; it is cut off"
            )
        return TensorTable(tensor for _, tensor in order)
