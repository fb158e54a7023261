"""A model in one GGUF file, or in several that gguf-split made of it.

The parts are called ``name-00001-of-00003.gguf`` and so on, and each says in its metadata which
one it is (``split.no`` from 0, ``split.count``) and how many tensors they have together
(``split.tensors.count``); the metadata of the model is in the first. The checks are those of
llama.cpp (src/llama-model-loader.cpp); any part may be named, where llama.cpp wants the first.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from weighbridge.errors import FileFormatError, ModelReferenceError
from weighbridge.model.bounded import label, quoted
from weighbridge.model.gguf import GgufHeader, Value, read_gguf_header
from weighbridge.model.tensors import Tensor, TensorTable

MAX_PARTS = 10_000
NUMBER_KEY, COUNT_KEY, TENSORS_KEY = "split.no", "split.count", "split.tensors.count"
_PART = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.gguf", re.ASCII | re.DOTALL)


class Part(NamedTuple):
    """What the name of a file says: ``model-00002-of-00004.gguf``."""

    stem: str
    number: int
    total: int

    def sibling(self, number: int) -> str:
        """The name of the part of this number."""
        return f"{self.stem}-{number:05d}-of-{self.total:05d}.gguf"


def part_of(name: str) -> Part | None:
    """The part that a file name speaks of, or None.

    >>> part_of("model-00002-of-00004.gguf")
    Part(stem='model', number=2, total=4)
    """
    match = _PART.fullmatch(name)
    return Part(match[1], int(match[2]), int(match[3])) if match else None


@dataclass(frozen=True, slots=True)
class GgufModel:
    """A model's metadata, its tensors from all parts, and the header of each part by file name."""

    metadata: Mapping[str, Value]
    tensors: TensorTable
    files: tuple[tuple[str, GgufHeader], ...]
    notes: tuple[str, ...]


def read_gguf(path: Path | str) -> GgufModel:
    """The model in the GGUF file at ``path``, with all of its parts where it is one of several.

    Raises FileFormatError where a file is not what it claims to be or parts contradict each
    other, and ModelReferenceError where a part is missing.
    """
    path = Path(path)
    return read_parts(path.name, _Beside(path.parent))


class Source(Protocol):
    """Where the parts of a model lie: beside each other in a folder, or on the Hub."""

    def gguf_names(self) -> Collection[str]:
        """The GGUF files that there are."""

    def read_gguf_headers(self, names: Collection[str]) -> dict[str, GgufHeader]:
        """The header of each of these, in their order."""

    def place(self, name: str) -> str:
        """What errors call one of them."""


class _Beside:
    """Files of one folder, wherever links among them lead: the user named one of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def gguf_names(self) -> set[str]:
        return {name for name in os.listdir(self._folder) if name.endswith(".gguf")}

    def read_gguf_headers(self, names: Collection[str]) -> dict[str, GgufHeader]:
        return {name: read_gguf_header(self._folder / name) for name in names}

    def place(self, name: str) -> str:
        return label(self._folder / name)


def read_parts(name: str, source: Source) -> GgufModel:
    """The model that the file ``name`` is, or is a part of; raises as :func:`read_gguf` does."""
    header, where = source.read_gguf_headers([name])[name], source.place(name)
    part = part_of(name)
    count = header.metadata.get(COUNT_KEY, 1)
    if type(count) is not int or not 0 <= count <= MAX_PARTS:
        raise FileFormatError(f"{where} has {COUNT_KEY} = {quoted(count)}, which cannot be")
    if count <= 1:
        notes: tuple[str, ...] = ()
        if part is not None and part.total > 1:
            notes = (f"{label(name)} is called a part, but holds a whole model",)
        return _together([(name, header)], where, notes)
    if part is None or part.total != count:
        raise ModelReferenceError(
            f"{where} is one of {count} parts, but its name does not end in "
            f"-00001-of-{count:05d}.gguf, so that the others cannot be found; rename them"
        )
    if not 1 <= part.number <= count:
        raise ModelReferenceError(f"{where} claims to be part {part.number} of {count}")
    return _together(_parts(where, header, part, source), where, ())


def _parts(
    where: str, named: GgufHeader, part: Part, source: Source
) -> list[tuple[str, GgufHeader]]:
    """The headers of all parts in their order; each must be the one that its name says."""
    names = [part.sibling(number) for number in range(1, part.total + 1)]
    others, own = set(source.gguf_names()), part.sibling(part.number)
    missing = [name for name in names if name != own and name not in others]
    if missing:
        raise ModelReferenceError(
            f"{where} is one of {part.total} parts, of which {len(missing)} are missing, "
            f"the first being {label(missing[0])}; download them again"
        )
    headers = {own: named, **source.read_gguf_headers([name for name in names if name != own])}
    for number, name in enumerate(names):
        metadata = headers[name].metadata
        stated = metadata.get(NUMBER_KEY), metadata.get(COUNT_KEY)
        if stated != (number, part.total):
            raise FileFormatError(
                f"{source.place(name)} says {NUMBER_KEY} = {quoted(stated[0])} and "
                f"{COUNT_KEY} = {quoted(stated[1])}, where {number} and {part.total} are right"
            )
    return [(name, headers[name]) for name in names]


def _together(files: list[tuple[str, GgufHeader]], where: str, notes: tuple[str, ...]) -> GgufModel:
    """The tensors of all parts as one table, each once, and as many as the parts claim."""
    metadata = files[0][1].metadata
    tensors: dict[str, Tensor] = {}
    for name, header in files:
        for tensor in header.tensors:
            if tensor.name in tensors:
                raise FileFormatError(
                    f"{where}: tensor {quoted(tensor.name)} is in {label(name)} and in a part "
                    "before it"
                )
            tensors[tensor.name] = tensor
    claimed = metadata.get(TENSORS_KEY)
    if len(files) > 1 and claimed != len(tensors):
        raise FileFormatError(
            f"{where}: the parts hold {len(tensors):,} tensors, but {TENSORS_KEY} says "
            f"{quoted(claimed)}"
        )
    return GgufModel(metadata, TensorTable(tensors.values()), tuple(files), notes)
