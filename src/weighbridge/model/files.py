"""The files of one model, wherever they lie: what a folder and a repository both offer."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from weighbridge.errors import FileFormatError, ModelReferenceError
from weighbridge.model.bounded import label, open_regular, read_json_object
from weighbridge.model.safetensors import Header, read_header

if TYPE_CHECKING:
    from weighbridge.model.gguf import GgufHeader

MAX_FOLDER_ENTRIES = 100_000


class Files(Protocol):
    """Names, sizes, JSON and headers of the files beside each other; nothing else."""

    @property
    def where(self) -> str:
        """What errors call the whole: a path, or the id of a repository."""

    @property
    def origin(self) -> str:
        """What to say behind a file's name of where it was read; empty for this machine's disk."""

    @property
    def path(self) -> Path | None:
        """The folder on this machine's disk, if it is one."""

    def names(self) -> set[str]:
        """The file names, without those of subfolders."""

    def place(self, name: str) -> str:
        """What errors call one of the files."""

    def size(self, name: str) -> int:
        """Bytes of a file, without opening it."""

    def read_json(self, name: str, limit: int) -> dict[str, Any]:
        """The JSON object in a file of at most ``limit`` bytes."""

    def read_headers(self, names: Collection[str]) -> dict[str, Header]:
        """The header of each of these safetensors files, in their order."""

    def gguf_names(self) -> set[str]:
        """The GGUF files, with those one folder deep of a repository of the Hub."""

    def read_gguf_headers(self, names: Collection[str]) -> dict[str, GgufHeader]:
        """The header of each of these GGUF files, in their order."""


class Folder:
    """The files of a folder on this machine's disk."""

    origin = ""

    def __init__(self, path: Path) -> None:
        self.path: Path | None = path
        self._folder = path
        self._names: set[str] | None = None

    @property
    def where(self) -> str:
        """The path."""
        return label(self._folder)

    def names(self) -> set[str]:
        """The entries of the folder."""
        if self._names is None:
            self._names = _names_in(self._folder)
        return self._names

    def place(self, name: str) -> str:
        """The path of the file."""
        return label(self._folder / name)

    def size(self, name: str) -> int:
        """Bytes of a regular file of the folder."""
        file, size = open_regular(_inside(self._folder, name))
        file.close()
        return size

    def read_json(self, name: str, limit: int) -> dict[str, Any]:
        """The JSON object in a file of the folder."""
        return read_json_object(_inside(self._folder, name), limit)

    def read_headers(self, names: Collection[str]) -> dict[str, Header]:
        """One header after the other."""
        return {name: read_header(_inside(self._folder, name)) for name in names}

    def gguf_names(self) -> set[str]:
        """Those of the folder; a hub cache keeps its repository's folders."""
        found = {name for name in self.names() if name.lower().endswith(".gguf")}
        if self._folder.parent.name != "snapshots":
            return found
        folders = [name for name in self.names() if (self._folder / name).is_dir()]
        inner = (f"{each}/{name}" for each in folders for name in _names_in(self._folder / each))
        return found | {name for name in inner if name.lower().endswith(".gguf")}

    def read_gguf_headers(self, names: Collection[str]) -> dict[str, GgufHeader]:
        """One header after the other."""
        from weighbridge.model.gguf import read_gguf_header

        return {name: read_gguf_header(_inside(self._folder, name)) for name in names}


def _names_in(folder: Path) -> set[str]:
    names: set[str] = set()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                names.add(entry.name)
                if len(names) > MAX_FOLDER_ENTRIES:
                    raise ModelReferenceError(
                        f"{label(folder)} holds more than {MAX_FOLDER_ENTRIES:,} files, "
                        "so it is no model folder"
                    )
    except OSError as error:
        raise ModelReferenceError(f"{label(folder)} cannot be read: {error.strerror}") from None
    return names


def _inside(folder: Path, name: str) -> Path:
    """``folder / name``, where that does not lead out of the folder.

    The files of a hub cache are links from ``models--org--name/snapshots/<commit>/`` to
    ``models--org--name/blobs/``: they lead out of the folder and are still the model's own.
    """
    path = folder / name
    try:
        target, home = path.resolve(), folder.resolve()
    except (OSError, RuntimeError) as error:
        raise ModelReferenceError(f"{label(path)} cannot be followed: {error}") from None
    homes = [home]
    if home.parent.name == "snapshots":
        homes.append(home.parent.parent / "blobs")
    if not any(target.is_relative_to(allowed) for allowed in homes):
        raise FileFormatError(
            f"{label(path)} is a link that leads out of its folder, to {label(target)}; "
            "name that file or its folder instead"
        )
    return path
