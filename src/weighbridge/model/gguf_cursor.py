"""A bounded cursor over a file: numbers and strings are read, arrays are stepped over.

It holds a window of the file and never more, whatever a count or a length claims, and every step
that would lead past the end of the file is refused before it is taken.
"""

from __future__ import annotations

import re
import struct
from functools import cache
from typing import NoReturn

from weighbridge.errors import FileFormatError
from weighbridge.model.bounded import Readable, read_exactly

WINDOW = 2**18
RUN, SHORT = 64, 40
_U64 = struct.Struct("<Q")
_U32 = struct.Struct("<I")


class Cursor:
    """Reads forward through ``file`` of ``size`` bytes; ``where`` names it in errors."""

    __slots__ = ("_at", "_base", "_file", "_window", "limit", "size", "where")

    def __init__(self, file: Readable, size: int, limit: int, where: str) -> None:
        """``limit`` is how many bytes a header may have at most, whatever the file's size."""
        self.size = size
        self.limit = min(size, limit)
        self.where = where
        self._file = file
        self._window = b""
        self._base = 0
        self._at = 0

    @property
    def position(self) -> int:
        """Bytes from the start of the file."""
        return self._base + self._at

    @property
    def remaining(self) -> int:
        """Bytes that the header may still have."""
        return self.limit - self.position

    def refuse(self, problem: str) -> NoReturn:
        """Raise FileFormatError with the file's name before ``problem``."""
        raise FileFormatError(f"{self.where} {problem}")

    def _past_the_end(self, wanted: int, what: str) -> NoReturn:
        if self.limit < self.size:
            self.refuse(
                f"has a header of more than {self.limit:,} bytes, which no model has; "
                f"it grew past that in {what}"
            )
        self.refuse(
            f"is cut off in {what}, at byte {self.position:,} of {self.size:,}: "
            f"{wanted:,} more are claimed"
        )

    def _fill(self, count: int, what: str) -> None:
        """Have ``count`` bytes in the window from here on."""
        position = self._base + self._at
        if count > self.limit - position:
            self._past_the_end(count, what)
        wanted = min(max(count, WINDOW), self.size - position)
        self._file.seek(position)
        self._window = read_exactly(self._file, wanted, self.where)
        self._base, self._at = position, 0

    def take(self, count: int, what: str) -> bytes:
        """The next ``count`` bytes."""
        if self._at + count > len(self._window) or self.position + count > self.limit:
            self._fill(count, what)
        start = self._at
        self._at = start + count
        return self._window[start : start + count]

    def u32(self, what: str) -> int:
        """The next four bytes as a number."""
        return int(_U32.unpack(self.take(4, what))[0])

    def u64(self, what: str) -> int:
        """The next eight bytes as a number."""
        return int(_U64.unpack(self.take(8, what))[0])

    def skip(self, count: int, what: str) -> None:
        """Step over ``count`` bytes without reading them."""
        if count > self.remaining:
            self._past_the_end(count, what)
        self._at += count

    def text(self, most: int, what: str) -> str:
        """A string of at most ``most`` bytes; refused where it is longer or not UTF-8."""
        length = self.u64(what)
        if length > most:
            if length > self.remaining:
                self._past_the_end(length, what)
            self.refuse(f"has {what} of {length:,} bytes, where at most {most:,} can be right")
        return self.decoded(self.take(length, what), what)

    def decoded(self, raw: bytes, what: str) -> str:
        """``raw`` as text; refused where it is not UTF-8."""
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            at = error.start
        return self.refuse(f"has {what} in bytes that are not UTF-8, at byte {at}")

    def skip_strings(self, count: int, what: str) -> None:
        """Step over ``count`` strings: only their lengths are read, window by window."""
        short, unpack = _short_strings().match, _U64.unpack_from
        while count:
            if self._at + 8 > len(self._window):
                self._fill(8, what)
            window, at = self._window, self._at
            last = len(window) - 8
            while count and at <= last:
                run = short(window, at) if count >= RUN else None
                if run is not None:
                    at = run.end()
                    count -= RUN
                    continue
                for _ in range(min(count, RUN)):
                    at += 8 + unpack(window, at)[0]
                    count -= 1
                    if at > last:
                        break
            if self._base + at > self.limit:
                self._past_the_end(self._base + at - self.limit, what)
            self._at = at


@cache
def _short_strings() -> re.Pattern[bytes]:
    """Exactly ``RUN`` strings of fewer than ``SHORT`` bytes each, lengths and all.

    A tokenizer has hundreds of thousands of them, and matching steps over them six times as fast
    as a loop does; the repetition never gives back what it took, so that it stays linear.
    """
    of_length = (re.escape(bytes([n])) + b"\\0{7}" + b".{%d}" % n for n in range(SHORT))
    return re.compile(b"(?:" + b"|".join(of_length) + b"){%d}+" % RUN, re.DOTALL)
