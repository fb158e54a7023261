"""How one model is spread over several safetensors files: the index, and the names of shards."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

from weighbridge.errors import FileFormatError, ModelReferenceError
from weighbridge.model.bounded import label, quoted

SINGLE_NAME = "model.safetensors"
INDEX_NAME = "model.safetensors.index.json"
# Mistral ships its own layout of the same weights beside the one for Transformers.
CONSOLIDATED = "consolidated"
# The index of a model of 200,000 tensors takes about 22 MB.
MAX_INDEX_BYTES = 48_000_000
MAX_SHARDS = 10_000
_SHARD = re.compile(r"(.+)-(\d{1,5})-of-(\d{1,5})\.safetensors", re.ASCII)
_FILE_NAME = re.compile(r"[^\\/:*?\"<>|\x00-\x1f\x7f]{1,255}")


class Shard(NamedTuple):
    """What the name of a file says: ``model-00002-of-00004.safetensors``."""

    stem: str
    number: int
    total: int


def shard_of(name: str) -> Shard | None:
    """The shard that a file name speaks of, or None.

    >>> shard_of("model-00002-of-00004.safetensors")
    Shard(stem='model', number=2, total=4)
    """
    match = _SHARD.fullmatch(name)
    return Shard(match[1], int(match[2]), int(match[3])) if match else None


@dataclass(frozen=True, slots=True)
class Index:
    """A ``model.safetensors.index.json``: tensor name → shard, and the size that it claims."""

    weight_map: dict[str, str]
    total_size: int | None

    @property
    def shards(self) -> tuple[str, ...]:
        """The file names of the shards, sorted, each once."""
        return tuple(sorted(set(self.weight_map.values())))

    def refuse_missing(self, present: Collection[str], where: str) -> None:
        """Raise ModelReferenceError where a shard is not among the files that are ``present``."""
        missing = [name for name in self.shards if name not in present]
        if missing:
            raise ModelReferenceError(
                f"{where} lists {len(self.shards)} shards, of which {len(missing)} are missing, "
                f"the first being {missing[0]}; download them again"
            )


def parse_index(content: dict[str, Any], where: str) -> Index:
    """The index that ``content`` holds; ``where`` names the file in errors (FileFormatError)."""
    weight_map = content.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise FileFormatError(f"{where} has no weight_map of tensor names to shards")
    checked: set[str] = set()
    for tensor, shard in weight_map.items():
        if not isinstance(shard, str):
            raise FileFormatError(
                f"{where} maps tensor {quoted(tensor)} to {quoted(shard)}, which is no file name"
            )
        if shard not in checked:
            _check_name(shard, where)
            checked.add(shard)
    if len(checked) > MAX_SHARDS:
        raise FileFormatError(f"{where} lists more than {MAX_SHARDS:,} shards")
    metadata = content.get("metadata")
    total = metadata.get("total_size") if isinstance(metadata, dict) else None
    return Index(weight_map, total if type(total) is int else None)


def is_plain_name(name: str) -> bool:
    """Whether this is one file name, on POSIX and on Windows alike, that can be printed."""
    return bool(_FILE_NAME.fullmatch(name)) and name.isprintable() and not set(name) <= {"."}


def _check_name(name: str, where: str) -> None:
    """Refuse a shard that is not a plain file name on POSIX and on Windows alike."""
    if not is_plain_name(name):
        raise FileFormatError(
            f"{where} names the shard {quoted(name)}, where a plain file name in the same folder "
            "is right"
        )
    if not name.endswith(".safetensors"):
        raise FileFormatError(
            f"{where} names the shard {quoted(name)}, which is not a safetensors file"
        )


def complete_shards(names: Collection[str], where: str) -> tuple[str, ...]:
    """The shards among ``names`` in their order, where they are all of one model; () where none.

    Raises ModelReferenceError where some are missing, or where several models lie together.
    """
    sets: dict[tuple[str, int], dict[int, str]] = {}
    for name in sorted(names):
        shard = shard_of(name)
        if shard is not None:
            numbers = sets.setdefault((shard.stem, shard.total), {})
            if shard.number in numbers:
                raise ModelReferenceError(
                    f"{where} holds shard {shard.number} twice: {label(name)}"
                )
            numbers[shard.number] = name
    if not sets:
        return ()
    if len(sets) > 1:
        sets = {key: numbers for key, numbers in sets.items() if key[0] == "model"} or sets
    if len(sets) > 1:
        some = " and ".join(label(next(iter(numbers.values()))) for numbers in sets.values())
        raise ModelReferenceError(f"{where} holds shards of several models ({some}); keep one")
    ((_, count), numbers), *_ = sets.items()
    missing = [number for number in range(1, count + 1) if number not in numbers]
    if missing:
        raise ModelReferenceError(
            f"{where} holds {count - len(missing)} of {count} shards, and number {missing[0]} is "
            "the first that is missing; download them again"
        )
    return tuple(numbers[number] for number in range(1, count + 1))
