"""The files of a model (a folder, a repository, or one file) → which tensors it is made of.

The files are chosen as Transformers chooses them: ``model.safetensors`` before
``model.safetensors.index.json`` before anything else (transformers 5.23,
``modeling_utils._get_resolved_checkpoint_files``). Whatever is left out, or looks odd without
being wrong, is said in ``notes``. Pickled weights are never opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weighbridge.errors import FileFormatError, ModelReferenceError
from weighbridge.model.bounded import is_folder, label, quoted, read_json_object
from weighbridge.model.files import Files, Folder
from weighbridge.model.safetensors import Header, read_header
from weighbridge.model.shards import (
    CONSOLIDATED,
    INDEX_NAME,
    MAX_INDEX_BYTES,
    SINGLE_NAME,
    Index,
    complete_shards,
    parse_index,
    shard_of,
)
from weighbridge.model.tensors import Tensor, TensorTable

CONFIG_NAME = "config.json"
MAX_CONFIG_BYTES = 10_000_000
QUANTIZATION_FILES = ("hf_quant_config.json", "quantize_config.json", "quantization_config.json")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint: its raw config, the header of each weight file, and all tensors.

    ``path`` is the folder or the file as it was named, None for one on the Hub; ``config`` is the
    content of config.json, or None where there is none; ``other`` holds the quantization files
    beside it by file name.
    """

    path: Path | None
    config: dict[str, Any] | None
    shards: tuple[tuple[str, Header], ...]
    tensors: TensorTable
    notes: tuple[str, ...]
    other: dict[str, dict[str, Any]]


def read_config(path: Path | str) -> dict[str, Any]:
    """The JSON object in a config.json; FileFormatError where it is not one within 10 MB."""
    return read_json_object(Path(path), MAX_CONFIG_BYTES)


def read_checkpoint(path: Path | str) -> Checkpoint:
    """The checkpoint in a folder, or in one ``.safetensors`` file.

    Raises ModelReferenceError where there are no weights to read, and FileFormatError where a
    file is not what it claims to be or the files contradict each other.
    """
    path = Path(path)
    return read_files(Folder(path)) if is_folder(path) else _single_file(path)


def read_files(files: Files) -> Checkpoint:
    """The checkpoint that these files are; raises as :func:`read_checkpoint` does."""
    names = files.names()
    _refuse_other_kinds(files, names)
    notes: list[str] = []
    shards, index = _choose(files, names, notes)
    headers = files.read_headers(shards)
    tensors = _merged(headers, index, files.place(INDEX_NAME) if index else files.where, notes)
    config = files.read_json(CONFIG_NAME, MAX_CONFIG_BYTES) if CONFIG_NAME in names else None
    if config is None:
        notes.append("there is no config.json beside the weights")
    return Checkpoint(
        files.path, config, tuple(headers.items()), tensors, tuple(notes), _beside(files, names)
    )


def _beside(files: Files, names: set[str]) -> dict[str, dict[str, Any]]:
    return {
        name: files.read_json(name, MAX_CONFIG_BYTES)
        for name in QUANTIZATION_FILES
        if name in names
    }


def _single_file(path: Path) -> Checkpoint:
    if path.suffix in _PICKLES:
        raise ModelReferenceError(f"{label(path)} is not read: {_never_opened()}")
    header = read_header(path)
    notes = []
    shard = shard_of(path.name)
    if shard is not None and shard.total > 1:
        notes.append(
            f"{label(path.name)} is shard {shard.number} of {shard.total}; only it is counted"
        )
    # Nothing but the file was named, so that a config beside it is a help and not a must.
    folder = path.parent
    config = read_config(folder / CONFIG_NAME) if (folder / CONFIG_NAME).is_file() else None
    if config is None:
        notes.append("there is no config.json beside the weights")
    other = {
        name: read_config(folder / name) for name in QUANTIZATION_FILES if (folder / name).is_file()
    }
    return Checkpoint(path, config, ((path.name, header),), header.tensors, tuple(notes), other)


def _refuse_other_kinds(files: Files, names: set[str]) -> None:
    """Refuse files that are something else than one model, and say what they are."""
    where = files.where
    if "model_index.json" in names:
        raise ModelReferenceError(
            f"{where} is a diffusers pipeline; name the folder of one of its models, "
            f"such as {files.place('transformer')}"
        )
    if "adapter_config.json" in names and not names & {SINGLE_NAME, INDEX_NAME}:
        raise ModelReferenceError(
            f"{where} is an adapter (adapter_config.json) without its base model; "
            "name the folder of the base model"
        )
    if any(name.endswith(".safetensors") for name in names) or INDEX_NAME in names:
        return
    if any(name.endswith(_PICKLES) for name in names):
        raise ModelReferenceError(f"{where} holds only pickled weights: {_never_opened()}")
    raise ModelReferenceError(f"{where} holds no .safetensors file")


def _never_opened() -> str:
    return "pickle files can run code and are never opened; convert them to safetensors"


def _choose(
    files: Files, names: set[str], notes: list[str]
) -> tuple[tuple[str, ...], Index | None]:
    """The weight files that make up the model, and the index that lists them, if one does."""
    weights = {name for name in names if name.endswith(".safetensors")}
    index = None
    if INDEX_NAME in names:
        index = parse_index(files.read_json(INDEX_NAME, MAX_INDEX_BYTES), files.place(INDEX_NAME))
    if index is not None and SINGLE_NAME in weights and SINGLE_NAME not in index.shards:
        notes.append(f"{SINGLE_NAME} is counted, and not the shards that {INDEX_NAME} lists")
        index = None
    if index is not None:
        chosen = index.shards
        index.refuse_missing(weights, files.place(INDEX_NAME))
    elif SINGLE_NAME in weights:
        chosen = (SINGLE_NAME,)
    else:
        chosen = _choose_by_name(files.where, weights, notes)
    left = sorted(weights - set(chosen))
    if left:
        notes.append(f"not counted: {', '.join(map(label, left[:3]))}{_and_more(len(left) - 3)}")
    return chosen, index


def _choose_by_name(where: str, weights: set[str], notes: list[str]) -> tuple[str, ...]:
    candidates = {name for name in weights if not name.startswith(CONSOLIDATED)} or weights
    shards = complete_shards(candidates, where)
    if shards:
        notes.append(f"there is no {INDEX_NAME}; the shards are taken by their names")
        return shards
    if len(candidates) > 1:
        some = ", ".join(map(label, sorted(candidates)[:3]))
        raise ModelReferenceError(
            f"{where} holds {len(candidates)} safetensors files that are not shards of "
            f"one model ({some}{_and_more(len(candidates) - 3)}); name one of them"
        )
    (name,) = candidates
    notes.append(f"{label(name)} is taken as the model, because no other file is")
    return (name,)


def _and_more(count: int) -> str:
    return f" and {count} more" if count > 0 else ""


def _merged(
    headers: Mapping[str, Header], index: Index | None, where: str, notes: list[str]
) -> TensorTable:
    """The tensors of all shards as one table, each counted once."""
    weight_map = index.weight_map if index is not None else {}
    tensors: dict[str, Tensor] = {}
    unlisted = copies = 0
    for shard, header in headers.items():
        for tensor in header.tensors:
            home = weight_map.get(tensor.name)
            unlisted += index is not None and home is None
            if home is not None and home != shard:
                copies += 1
            elif tensor.name in tensors:
                raise FileFormatError(
                    f"{where}: tensor {quoted(tensor.name)} is in {label(shard)} and in a shard "
                    "before it"
                )
            else:
                tensors[tensor.name] = tensor
    if index is not None:
        _compare(index, headers, tensors, where, notes)
    if unlisted:
        notes.append(f"{unlisted:,} tensors are in the shards but not in {INDEX_NAME}; counted")
    if copies:
        notes.append(f"{copies:,} tensors are copies of what {INDEX_NAME} maps elsewhere; left out")
    return TensorTable(tensors.values())


def _compare(
    index: Index,
    headers: Mapping[str, Header],
    tensors: Mapping[str, Tensor],
    where: str,
    notes: list[str],
) -> None:
    missing = [name for name in index.weight_map if name not in tensors]
    if missing:
        raise FileFormatError(
            f"{where} maps {len(missing):,} tensors to shards that do not hold them, the first "
            f"being {quoted(missing[0])} in {index.weight_map[missing[0]]}"
        )
    found = sum(header.data_bytes for header in headers.values())
    if index.total_size is not None and index.total_size != found:
        notes.append(
            f"{INDEX_NAME} says that the weights take {index.total_size:,} bytes; "
            f"the shards hold {found:,}"
        )
