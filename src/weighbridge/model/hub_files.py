"""A repository of the Hub as files: its listing, its small JSON files, its shards' headers.

Weights are never downloaded. Of a shard two things are read at most: its first bytes, which hold
the header of nearly every file, and the rest of a longer header. Everything is read at the one
commit that the listing names.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from weighbridge.errors import FileFormatError
from weighbridge.model.bounded import label, parse_json_object, quoted
from weighbridge.model.hub import Hub
from weighbridge.model.safetensors import LENGTH_BYTES, Header, header_length, parse_header
from weighbridge.model.shards import is_plain_name
from weighbridge.units import MIB

if TYPE_CHECKING:
    from weighbridge.model.gguf import GgufHeader

# Of the headers on the Hub, 97 % are shorter (huggingface_hub, get_safetensors_metadata).
FIRST_BYTES = 100_000
# A GGUF header holds the tokenizer, most often 2 to 20 MB: blocks grow from the first to the last.
FIRST_BLOCK, LAST_BLOCK = MIB, 8 * MIB
MAX_LISTING_BYTES = 32 * MIB
MAX_FILE_BYTES = 2**50
_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)


class Repository:
    """The files at the root of one repository at one commit."""

    path: Path | None = None

    def __init__(self, hub: Hub, repo: str, revision: str = "main") -> None:
        """Read the listing; raises HubError and ModelReferenceError where there is none."""
        self._hub = hub
        self.repo = repo
        self.where = repo if revision == "main" else f"{repo}@{label(revision)}"
        asked = f"/api/models/{repo}/revision/{quote(revision, safe='')}?blobs=true"
        place = f"the listing of {self.where}"
        raw = hub.whole(asked, self.where, MAX_LISTING_BYTES)
        listing = parse_json_object(raw, place)
        commit = listing.get("sha")
        if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
            raise FileFormatError(f"{place} names no commit, so that nothing can be pinned to it")
        self.commit = commit
        self._sizes = _sizes(listing.get("siblings"), place)
        self._roots = {name for name in self._sizes if "/" not in name}

    @property
    def origin(self) -> str:
        """The host and the commit."""
        return f" of {self.repo} on {self._hub.host} at commit {self.commit[:12]}"

    def names(self) -> set[str]:
        """The file names at the root of the repository."""
        return self._roots

    def place(self, name: str) -> str:
        """The file behind the repository's id."""
        return f"{self.where}/{label(name)}"

    def size(self, name: str) -> int:
        """Bytes of a file, as the listing states them."""
        return self._sizes[name]

    def read_json(self, name: str, limit: int) -> dict[str, Any]:
        """The JSON object in a file, which is read whole."""
        place, size = self.place(name), self._sizes[name]
        if size > limit:
            raise FileFormatError(
                f"{place} has {size:,} bytes, where at most {limit:,} can be right for such a file"
            )
        return parse_json_object(self._hub.whole(self._url(name), place, limit, size), place)

    def read_headers(self, names: Collection[str]) -> dict[str, Header]:
        """The header of each shard, several at a time."""
        tell = _progress(self.repo, len(names))
        try:
            found = self._hub.all_of([partial(self._header, name) for name in names], tell)
        finally:
            if tell is not None:
                tell(len(names))
        return dict(zip(names, found, strict=True))

    def gguf_names(self) -> set[str]:
        """The GGUF files at the root and one folder deep, where large ones often lie in parts."""
        return {name for name in self._sizes if name.lower().endswith(".gguf")}

    def read_gguf_headers(self, names: Collection[str]) -> dict[str, GgufHeader]:
        """The header of each GGUF file, several at a time."""
        found = self._hub.all_of([partial(self._gguf_header, name) for name in names])
        return dict(zip(names, found, strict=True))

    def _gguf_header(self, name: str) -> GgufHeader:
        from weighbridge.model.gguf import MAX_HEADER_BYTES, parse_gguf
        from weighbridge.model.gguf_cursor import Cursor

        place, size = self.place(name), self._sizes[name]
        ranges = Ranges(partial(self._part, self._url(name), place, size), size)
        return parse_gguf(Cursor(ranges, size, MAX_HEADER_BYTES, place))

    def _part(self, url: str, place: str, size: int, begin: int, count: int) -> bytes:
        return self._hub.part(url, place, begin, count, size)

    def _header(self, name: str) -> Header:
        place, size, url = self.place(name), self._sizes[name], self._url(name)
        first = min(size, FIRST_BYTES)
        raw = self._hub.part(url, place, 0, first, size) if first else b""
        length = header_length(raw[:LENGTH_BYTES], size, place)
        end = LENGTH_BYTES + length
        if end > len(raw):
            raw += self._hub.part(url, place, len(raw), end - len(raw), size)
        return parse_header(raw[LENGTH_BYTES:end], size - end, place)

    def _url(self, name: str) -> str:
        return f"/{self.repo}/resolve/{self.commit}/{quote(name)}"


class Ranges:
    """A file on the Hub, read forward in blocks that grow."""

    def __init__(self, part: Callable[[int, int], bytes], size: int) -> None:
        """``part`` gives (first byte, bytes) of the file's ``size`` bytes."""
        self._part = part
        self._size = size
        self._at = self._base = 0
        self._block = b""
        self._next = FIRST_BLOCK

    def seek(self, position: int, /) -> None:
        """Go to this byte; nothing is asked for yet."""
        self._at = position

    def read(self, count: int, /) -> bytes:
        """Up to ``count`` bytes from here on, from the block at hand where it has them."""
        if not self._base <= self._at < self._base + len(self._block):
            wanted = min(max(self._next, count), self._size - self._at)
            self._next = min(2 * self._next, LAST_BLOCK)
            self._block = self._part(self._at, wanted) if wanted > 0 else b""
            self._base = self._at
        start = self._at - self._base
        found = self._block[start : start + count]
        self._at += len(found)
        return found


def _sizes(siblings: Any, place: str) -> dict[str, int]:
    """File name → bytes, of the files at the root whose names are plain, and of GGUF files one
    folder deep."""
    if not isinstance(siblings, list):
        raise FileFormatError(f"{place} lists no files")
    found: dict[str, int] = {}
    for entry in siblings:
        name = entry.get("rfilename") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            raise FileFormatError(f"{place} has an entry without a file name: {quoted(entry)}")
        if not is_plain_name(name) and not _is_inner_gguf(name):
            continue
        size = entry.get("size")
        if type(size) is not int or not 0 <= size <= MAX_FILE_BYTES:
            raise FileFormatError(
                f"{place} says that {label(name)} has {quoted(size)} bytes, which no file has"
            )
        if found.setdefault(name, size) != size:
            raise FileFormatError(f"{place} lists {label(name)} twice, with two sizes")
    return found


def _is_inner_gguf(name: str) -> bool:
    folder, _, inner = name.partition("/")
    return name.lower().endswith(".gguf") and is_plain_name(folder) and is_plain_name(inner)


def _progress(repo: str, total: int) -> Callable[[int], None] | None:
    """A line on a terminal's standard error that counts the headers and then goes away."""
    if total < 2 or not sys.stderr.isatty():
        return None

    def tell(done: int) -> None:
        text = f"reading the headers of {repo}: {done} of {total}" if done < total else ""
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()

    return tell


def cached_folder(cache: str, repo: str, revision: str) -> Path | None:
    """The folder of huggingface_hub's own cache that holds this revision, if one does."""
    home = Path(cache) / f"models--{repo.replace('/', '--')}"
    commit = revision
    try:
        if not _COMMIT.fullmatch(revision):
            with open(home / "refs" / revision, "rb") as file:
                commit = file.read(41).decode("ascii").strip()
        folder = home / "snapshots" / commit
        return folder if _COMMIT.fullmatch(commit) and folder.is_dir() else None
    except (OSError, ValueError):
        return None
