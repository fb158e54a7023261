"""The metadata of a GGUF file: what is short is kept, what is long is stepped over and counted.

A tokenizer's vocabulary and merges are 95 % of a header and tell only how many they are; what is
kept of all values together is bounded, whatever the file claims.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from weighbridge.model.bounded import quoted
from weighbridge.model.gguf_cursor import Cursor

MAX_ENTRIES, MAX_STRINGS, MAX_KEY_BYTES = 2**13, 2**22, 1024
KEPT_BYTES, KEPT_NUMBERS = 4096, 2**14
KEPT_BYTES_IN_ALL, KEPT_NUMBERS_IN_ALL = 2**22, 2**17
LEAST_ENTRY, LEAST_STRING = 8 + 1 + 4 + 1, 8

BOOLEAN, STRING, ARRAY = 7, 8, 9
_CODES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 10: "Q", 11: "q", 12: "d"}
_SIZES = {kind: struct.calcsize(code) for kind, code in _CODES.items()} | {BOOLEAN: 1}


@dataclass(frozen=True, slots=True)
class Skipped:
    """A value that was stepped over: what kind of thing it is, and how many it holds."""

    kind: str
    count: int


Number = int | float | bool
Value = Number | str | tuple[Number, ...] | Skipped


def read_metadata(cursor: Cursor, count: int) -> dict[str, Value]:
    """``count`` entries of metadata, each key once."""
    return _Reader(cursor).entries(count)


class _Reader:
    """Reads entries, and keeps account of what it may still keep."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.strings = MAX_STRINGS
        self.bytes = KEPT_BYTES_IN_ALL
        self.numbers = KEPT_NUMBERS_IN_ALL

    def entries(self, count: int) -> dict[str, Value]:
        cursor = self.cursor
        metadata: dict[str, Value] = {}
        for _ in range(count):
            key = cursor.text(MAX_KEY_BYTES, "a metadata key")
            if not key or not key.isprintable():
                cursor.refuse(
                    f"has the metadata key {quoted(key)}, which is empty or not printable"
                )
            if key in metadata:
                cursor.refuse(f"has the metadata key {quoted(key)} twice")
            kind = cursor.u32(f"the type of {quoted(key)}")
            metadata[key] = self._array(key) if kind == ARRAY else self._scalar(key, kind)
        return metadata

    def _scalar(self, key: str, kind: int) -> Value:
        cursor, what = self.cursor, f"the value of {quoted(key)}"
        if kind == STRING:
            return self._string(what)
        size = _SIZES.get(kind)
        if size is None:
            cursor.refuse(f"has {what} in type {kind:,}, which GGUF does not have")
        return self._numbers(cursor.take(size, what), kind, 1, what)[0]

    def _string(self, what: str) -> Value:
        length = self.cursor.u64(what)
        if length > KEPT_BYTES or length > self.bytes:
            self.cursor.skip(length, what)
            return Skipped("bytes of text", length)
        self.bytes -= length
        raw = self.cursor.take(length, what)
        return self.cursor.decoded(raw, what)

    def _array(self, key: str) -> Value:
        """Numbers up to a bound as they are; strings, and more numbers than that, only counted."""
        cursor, what = self.cursor, f"the array {quoted(key)}"
        kind = cursor.u32(what)
        count = cursor.u64(what)
        if kind == ARRAY:
            cursor.refuse(f"has in {what} further arrays, which are not allowed there")
        size = LEAST_STRING if kind == STRING else _SIZES.get(kind)
        if size is None:
            cursor.refuse(f"has {what} in type {kind:,}, which GGUF does not have")
        if count * size > cursor.remaining:
            cursor.refuse(
                f"claims {count:,} elements in {what}, for which its {cursor.size:,} bytes have "
                "no room; it is cut off or damaged"
            )
        if kind == STRING:
            if count > self.strings:
                cursor.refuse(f"claims {count:,} strings in {what}, more than any tokenizer has")
            self.strings -= count
            cursor.skip_strings(count, what)
            return Skipped("strings", count)
        if count > KEPT_NUMBERS or count > self.numbers:
            cursor.skip(count * size, what)
            return Skipped("truth values" if kind == BOOLEAN else "numbers", count)
        self.numbers -= count
        return self._numbers(cursor.take(count * size, what), kind, count, what)

    def _numbers(self, raw: bytes, kind: int, count: int, what: str) -> tuple[Number, ...]:
        if kind != BOOLEAN:
            return struct.unpack(f"<{count}{_CODES[kind]}", raw)
        if raw.translate(None, b"\0\1"):
            self.cursor.refuse(f"has in {what} a truth value that is neither 0 nor 1")
        return tuple(map(bool, raw))
