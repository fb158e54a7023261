"""GGUF files for tests, written by hand: any part of a header can be made to lie.

Data is a hole (``truncate``), so that a model of 671 billion parameters takes 100 KB of disk.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from weighbridge.model.ggml import GGML

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
CODES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


class Typed(NamedTuple):
    """A value in a type that Python does not tell: ``Typed(U16, 3)``."""

    kind: int
    value: Any


def text(value: str | bytes) -> bytes:
    """A string as GGUF stores it."""
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def kind_of(value: Any) -> int:
    """The type that the converters of llama.cpp give a value."""
    if isinstance(value, bool):
        return BOOL
    if isinstance(value, int):
        return U32
    return F32 if isinstance(value, float) else STRING


def plain(kind: int, value: Any) -> bytes:
    """One value without its type."""
    return text(value) if kind == STRING else struct.pack("<" + CODES[kind], value)


def value_of(value: Any) -> bytes:
    """A value with its type; a list is an array of what its first element is."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, (list, tuple)) and not isinstance(value, Typed):
        kind = kind_of(value[0]) if value else I32
        kind = I32 if kind == U32 else kind
        items = b"".join(plain(kind, item) for item in value)
        return struct.pack("<IIQ", ARRAY, kind, len(value)) + items
    kind, value = value if isinstance(value, Typed) else (kind_of(value), value)
    return struct.pack("<I", kind) + plain(kind, value)


def entry(key: str | bytes, value: Any) -> bytes:
    """A metadata entry."""
    return text(key) + value_of(value)


def tensor(
    name: str | bytes, dimensions: Sequence[int], kind: str | int = "F32", offset: int = 0
) -> bytes:
    """The description of a tensor, dimensions fastest first."""
    number = GGML[kind].number if isinstance(kind, str) else kind
    return text(name) + struct.pack(
        f"<I{len(dimensions)}QIQ", len(dimensions), *dimensions, number, offset
    )


def header(
    entries: Iterable[bytes] = (),
    tensors: Iterable[bytes] = (),
    *,
    version: int = 3,
    counts: tuple[int, int] | None = None,
    magic: bytes = b"GGUF",
    alignment: int = 32,
) -> bytes:
    """A header with its padding; ``counts`` overrides (tensors, entries)."""
    entries, tensors = list(entries), list(tensors)
    claimed = counts or (len(tensors), len(entries))
    raw = magic + struct.pack("<IQQ", version, *claimed) + b"".join(entries) + b"".join(tensors)
    return raw + (bytes(-len(raw) % alignment) if tensors else b"")


def file_of(
    metadata: Mapping[str, Any], tensors: Mapping[str, tuple[Sequence[int], str]]
) -> tuple[bytes, int]:
    """The header of a well-formed file, and how many bytes the file has in all."""
    alignment = metadata.get("general.alignment", 32)
    described, at = [], 0
    for name, (dimensions, kind) in tensors.items():
        described.append(tensor(name, dimensions, kind, at))
        size = GGML[kind].bytes_of(math.prod(dimensions))
        at += -(-size // alignment) * alignment
    entries = [entry(key, value) for key, value in metadata.items()]
    raw = header(entries, described, alignment=alignment)
    return raw, len(raw) + at


def write(
    path: Path, metadata: Mapping[str, Any], tensors: Mapping[str, tuple[Sequence[int], str]]
) -> Path:
    """Write a well-formed file whose data is a hole."""
    raw, size = file_of(metadata, tensors)
    with path.open("wb") as file:
        file.write(raw)
        file.truncate(size)
    return path
