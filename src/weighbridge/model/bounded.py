"""Bounded reads of regular files, and JSON without surprises, for the file readers beside it.

Nothing here blocks on a FIFO, follows a file to a device, reads more than it was allowed to, or
lets a key that appears twice mean two things to two programs.
"""

from __future__ import annotations

import io
import json
import os
import re
import stat
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn, Protocol

from weighbridge.errors import FileFormatError, ModelReferenceError
from weighbridge.model.access import access, may_open

# A config.json has a few hundred brackets; a million empty lists would cost 70 times their text.
MAX_BRACKETS = 100_000
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_OPEN_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


def label(path: Path | str) -> str:
    """A path as an error may show it: one line, without control characters, not endless."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(path))
    return text if len(text) <= 300 else "…" + text[-299:]


def quoted(value: object) -> str:
    """A value found in a file, quoted and cut so that an error stays one readable sentence."""
    shown = ascii(value[:100] if isinstance(value, str) else value)
    return shown if len(shown) <= 80 else shown[:79] + "…"


def is_folder(path: Path) -> bool:
    """Whether ``path`` leads to a folder; False for a path that no system can hold."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def open_regular(path: Path) -> tuple[io.FileIO, int]:
    """An unbuffered file and its size in bytes; symlinks are followed.

    Raises ModelReferenceError where nothing can be opened, and FileFormatError where the path
    leads to a directory, a FIFO, a socket or a device.
    """
    allowed = may_open(path)
    if allowed is None:
        raise ModelReferenceError(f"{label(path)} may not be read here")
    flags = _OPEN_FLAGS if access().roots is None else _OPEN_FLAGS | getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(allowed, flags)
    except FileNotFoundError:
        raise ModelReferenceError(f"{label(path)} does not exist") from None
    except (OSError, ValueError) as error:
        if is_folder(path):  # Windows calls it a lack of permission
            _refuse_kind(path, stat.S_IFDIR)
        why = getattr(error, "strerror", None) or "the path holds a NUL byte"
        raise ModelReferenceError(f"{label(path)} cannot be opened: {why}") from None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        _refuse_kind(path, stat.S_IFMT(found.st_mode))
    return io.FileIO(descriptor, "rb"), found.st_size


def _refuse_kind(path: Path, kind: int) -> NoReturn:
    names = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
    raise FileFormatError(
        f"{label(path)} is {names.get(kind, 'a device')}, where a regular file is needed"
    )


class Readable(Protocol):
    """What a header is read from: an unbuffered file, or ranges of one on another machine."""

    def seek(self, position: int, /) -> object:
        """Go to this byte."""

    def read(self, count: int, /) -> bytes:
        """Up to ``count`` bytes, and none at the end."""


def read_exactly(file: Readable, count: int, where: str) -> bytes:
    """The next ``count`` bytes of ``file``; FileFormatError where it ends before them."""
    data = file.read(count)
    while len(data) < count:
        more = file.read(count - len(data))
        if not more:
            raise FileFormatError(
                f"{where} ended after {len(data):,} of {count:,} bytes while it was read"
            )
        data += more
    return data


def read_json_object(path: Path, limit: int) -> dict[str, Any]:
    """The JSON object in a file of at most ``limit`` bytes, with every key exactly once.

    NaN and Infinity are let through, because real config files of Mamba models hold
    ``"time_step_limit": [0.0, Infinity]``.
    """
    where = label(path)
    file, size = open_regular(path)
    with file:
        if size > limit:
            raise FileFormatError(
                f"{where} has {size:,} bytes, where at most {limit:,} can be right for such a file"
            )
        raw = read_exactly(file, size, where)
    return parse_json_object(raw, where)


def parse_json_object(raw: bytes, where: str, brackets: int = MAX_BRACKETS) -> dict[str, Any]:
    """``raw`` as a JSON object, or FileFormatError that names ``where``."""
    if raw.startswith(b"version https://git-lfs"):
        raise FileFormatError(f"{where} is a Git LFS pointer; fetch the file with git lfs pull")
    if raw.count(b"[") + raw.count(b"{") > brackets:
        raise FileFormatError(f"{where} holds more than {brackets:,} brackets")
    try:
        found = json.loads(raw.decode("utf-8"), object_pairs_hook=unique_keys)
        if _SURROGATE.search(raw):
            json.dumps(found, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{where} is not UTF-8 at byte {error.start}") from None
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{where} is not JSON: {json_fault(error)}") from None
    if not isinstance(found, dict):
        raise FileFormatError(
            f"{where} holds a JSON {type(found).__name__}, where an object is needed"
        )
    return found


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """``pairs`` as a dict; ValueError where a key appears twice (an ``object_pairs_hook``)."""
    found = dict(pairs)
    if len(found) != len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {quoted(twice)} appears twice")
    return found


def json_fault(error: Exception) -> str:
    """What the JSON reader objected to, in one line."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos}"
    if isinstance(error, UnicodeEncodeError):
        return "a string holds half a surrogate pair"
    if "int_max_str_digits" in str(error):
        return "a number has thousands of digits"
    return str(error)
