"""The JSON inside a safetensors header: text → tensors, where each begins, and metadata.

The text is walked member by member, so that memory follows the number of tensors and never the
wildest nesting that 100 MB of brackets could describe. A member written as safetensors itself
writes it is read by one pattern; any other goes through the JSON decoder and its own checks, and
both end in the same arithmetic.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, NoReturn

from weighbridge.errors import FileFormatError
from weighbridge.model.bounded import json_fault, quoted, unique_keys
from weighbridge.model.tensors import BITS_PER_ELEMENT, Tensor

MAX_TENSORS = 2_000_000
MAX_METADATA_ENTRIES = 65_536
MAX_NAME_LENGTH = 1_024
MAX_ENTRY_LENGTH = 4_096
MAX_DIMENSION = 2**48
MAX_BITS = 2**64 - 1
_COUNTS = "whole numbers from 0 to 2^48"

_SPACE = r"[ \t\n\r]*"
_OPEN = re.compile(rf"\{{{_SPACE}")
_CLOSE = re.compile(rf"\}}{_SPACE}")
_COLON = re.compile(rf"{_SPACE}:{_SPACE}")
_NEXT = re.compile(rf"{_SPACE}([,}}]){_SPACE}")
_WHOLE = r"(?:0|[1-9][0-9]{0,18})"
_DIMENSIONS = re.compile(rf"(?:{_WHOLE}(?:, ?{_WHOLE})*)?")
# One member as the safetensors library or json.dumps writes it, up to the start of the next.
_PLAIN = re.compile(
    rf'"([^"\\\x00-\x1f]{{1,{MAX_NAME_LENGTH}}})": ?'
    rf'\{{"dtype": ?"([A-Z0-9_]{{1,16}})", ?"shape": ?\[([0-9, ]{{0,100}})\], ?'
    rf'"data_offsets": ?\[({_WHOLE}), ?({_WHOLE})\]\}}, ?(?=")'
)


class HeaderText:
    """One walk over the text of a header, after which it holds what the text says.

    ``tensors`` are in the order of the text, and ``begins`` says at which byte of the data each
    one begins. Raises FileFormatError, which names ``where``, at the first thing that is wrong.
    """

    def __init__(self, text: str, where: str) -> None:
        self.tensors: list[Tensor] = []
        self.begins: list[int] = []
        self.metadata: dict[str, str] = {}
        self._where = where
        self._has_metadata = False
        self._sized: dict[tuple[str, str], tuple[str, tuple[int, ...], int]] = {}
        self._decoder = json.JSONDecoder(
            object_pairs_hook=unique_keys,
            parse_int=_whole,
            parse_float=_whole,
            parse_constant=_whole,
        )
        end = self._walk(text, 0, self._header_member, self._plain_members)
        if end != len(text):
            self._refuse(f"goes on behind its closing brace, at character {end}")

    def _walk(
        self,
        text: str,
        pos: int,
        member: Callable[[str, str, int], int],
        skip: Callable[[str, int], int],
    ) -> int:
        """Give each member of the object at ``pos`` to ``member``; returns where it ends.

        ``skip`` may take any number of members itself before each one.
        """
        opened = _OPEN.match(text, pos)
        if opened is None:
            self._refuse(f"holds something that is not an object at character {pos}")
        pos = opened.end()
        if closed := _CLOSE.match(text, pos):
            return closed.end()
        while True:
            key, pos = self._string(text, skip(text, pos))
            colon = _COLON.match(text, pos)
            if colon is None:
                self._refuse(f"is not JSON: no colon at character {pos}")
            pos = member(key, text, colon.end())
            after = _NEXT.match(text, pos)
            if after is None:
                self._refuse(f"is not JSON: neither comma nor closing brace at character {pos}")
            pos = after.end()
            if after[1] == "}":
                return pos

    def _string(self, text: str, pos: int) -> tuple[str, int]:
        if not text.startswith('"', pos):
            self._refuse(f"is not JSON as needed: no string at character {pos}")
        value: str
        try:
            value, end = self._decoder.raw_decode(text, pos)
            value.encode("utf-8")
        except UnicodeEncodeError:
            self._refuse(f"holds half a surrogate pair in the string at character {pos}")
        except ValueError as error:
            self._refuse(f"is not JSON: {json_fault(error)}")
        return value, end

    def _plain_members(self, text: str, pos: int) -> int:
        # A large checkpoint repeats a few dtypes and shapes: each pair is checked once and shared.
        while (found := _PLAIN.match(text, pos)) and found[1] != "__metadata__":
            name, dtype, dims, begin, end = found.groups()
            sized = self._sized.get((dtype, dims))
            if sized is None:
                if not _DIMENSIONS.fullmatch(dims):
                    return pos
                shape = tuple(map(int, dims.split(","))) if dims else ()
                sized = dtype, shape, self._size(name, dtype, shape)
                self._sized[dtype, dims] = sized
            self._add(name, sized, int(begin), int(end))
            pos = found.end()
        return pos

    def _header_member(self, key: str, text: str, pos: int) -> int:
        if key == "__metadata__":
            if self._has_metadata:
                self._refuse("has the key '__metadata__' twice")
            self._has_metadata = True
            if not text.startswith("{", pos):
                self._refuse("has a __metadata__ that is not an object of strings")
            return self._walk(text, pos, self._metadata_member, _skip_nothing)
        # A tensor's value holds no other object, so that it ends at the first brace, near by.
        end = text.find("}", pos, pos + MAX_ENTRY_LENGTH) + 1
        if not end or not text.startswith("{", pos):
            self._refuse_tensor(key, "is not described by a JSON object of a few numbers")
        try:
            entry = self._decoder.decode(text[pos:end])
        except (ValueError, RecursionError) as error:
            self._refuse_tensor(key, f"is not described in JSON as needed: {json_fault(error)}")
        self._add_entry(key, entry)
        return end

    def _metadata_member(self, key: str, text: str, pos: int) -> int:
        if not text.startswith('"', pos):
            self._refuse(f"has a __metadata__ value for {quoted(key)} that is not a string")
        if key in self.metadata:
            self._refuse(f"has the key {quoted(key)} twice in __metadata__")
        if len(self.metadata) >= MAX_METADATA_ENTRIES:
            self._refuse(f"has more than {MAX_METADATA_ENTRIES:,} entries in __metadata__")
        self.metadata[key], pos = self._string(text, pos)
        return pos

    def _add_entry(self, name: str, entry: dict[str, Any]) -> None:
        dtype: Any = entry.get("dtype")
        shape: Any = entry.get("shape")
        offsets: Any = entry.get("data_offsets")
        if not isinstance(dtype, str):
            self._refuse_tensor(name, f"has the dtype {quoted(dtype)}, where a name is right")
        if not _are_counts(shape):
            self._refuse_tensor(name, f"has the shape {quoted(shape)}, where {_COUNTS} are right")
        if not _are_counts(offsets) or len(offsets) != 2:
            self._refuse_tensor(
                name, f"has the data_offsets {quoted(offsets)}, where [begin, end] is right"
            )
        dims = tuple(shape)
        self._add(name, (dtype, dims, self._size(name, dtype, dims)), offsets[0], offsets[1])

    def _size(self, name: str, dtype: str, shape: tuple[int, ...]) -> int:
        """Bytes of a tensor of this dtype and shape, where there can be one."""
        bits = BITS_PER_ELEMENT.get(dtype)
        if bits is None:
            self._refuse_tensor(name, f"has the dtype {quoted(dtype)}, which is not known")
        if any(size > MAX_DIMENSION for size in shape):
            self._refuse_tensor(name, f"has the shape {quoted(shape)}, where {_COUNTS} are right")
        # The library refuses an overflow even where a later dimension is 0.
        if bits * math.prod(filter(None, shape)) > MAX_BITS:
            self._refuse_tensor(name, f"has the shape {quoted(shape)}, more than can be counted")
        total = bits * math.prod(shape)
        if total % 8:
            self._refuse_tensor(name, f"has {total} bits of {dtype}, which do not fill whole bytes")
        return total // 8

    def _add(
        self, name: str, sized: tuple[str, tuple[int, ...], int], begin: int, end: int
    ) -> None:
        dtype, shape, nbytes = sized
        if len(name) > MAX_NAME_LENGTH:
            self._refuse(f"holds a tensor name of {len(name):,} characters, which is too long")
        if not name.isprintable():
            self._refuse(f"holds the tensor name {quoted(name)}, which cannot be printed")
        if len(self.tensors) >= MAX_TENSORS:
            self._refuse(f"describes more than {MAX_TENSORS:,} tensors")
        if end - begin != nbytes:
            self._refuse_tensor(
                name,
                f"has the data_offsets [{begin}, {end}], where its shape {quoted(shape)} of "
                f"{dtype} takes {nbytes:,} bytes",
            )
        self.tensors.append(Tensor(name, dtype, shape, nbytes))
        self.begins.append(begin)

    def _refuse_tensor(self, name: str, what: str) -> NoReturn:
        raise FileFormatError(f"{self._where}: tensor {quoted(name)} {what}")

    def _refuse(self, what: str) -> NoReturn:
        raise FileFormatError(f"{self._where} has a header that {what}")


def _are_counts(values: Any) -> bool:
    """Whether this is a list of ints (a bool is none) from 0 to what a 64-bit reader can hold."""
    return isinstance(values, list) and all(
        type(value) is int and 0 <= value <= MAX_BITS for value in values
    )


def _skip_nothing(text: str, pos: int) -> int:  # noqa: ARG001
    return pos


def _whole(text: str) -> int:
    """A number of a header, where only 0 to 2^64 can be right; -0 is no whole number to Rust."""
    if not text.isdecimal() or len(text) > 20:
        raise ValueError(f"{quoted(text)} is not a whole number from 0 to 2^64")
    return int(text)
