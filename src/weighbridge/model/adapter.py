"""A LoRA adapter (adapter_config.json + adapter_model.safetensors) → its base with the adapter.

The name of the base stands in a file that anyone may have written. It is looked up in the
catalogue, and then only as a repository's id on the Hub: it is never followed as a path.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from weighbridge.errors import ConfigError, FileFormatError, ModelReferenceError
from weighbridge.model import catalog
from weighbridge.model.bounded import quoted
from weighbridge.model.facts import Model
from weighbridge.model.files import Files, Folder
from weighbridge.model.load import load_model, load_row
from weighbridge.model.local import ADAPTER_CONFIG
from weighbridge.model.reference import parse_repo, resolve
from weighbridge.model.tensors import Tensor, TensorTable
from weighbridge.records import fields_of, record

ADAPTER_WEIGHTS = "adapter_model.safetensors"
ADAPTER_PICKLE = "adapter_model.bin"
MAX_ADAPTER_CONFIG_BYTES = 10_000_000
NO_TENSORS = TensorTable()
_WRAPPED = re.compile(r"(?:base_model\.model\.)?(.+)\.lora_(A|B)(?:\.[^.]+)?\.weight")


@record
class AdaptedModel(Model):
    """A model with an adapter beside its weights: the adapter's tensors, and where they are from.

    ``adapter_basis`` is ``header`` where they were read, ``assumed`` where only a size is known.
    """

    adapters: TensorTable = NO_TENSORS
    adapter_source: str = ""
    adapter_basis: str = "header"


def from_adapter(text: str, files: Files, base: Model | None = None) -> Model:
    """The base that the adapter names, or ``base``, with the adapter."""
    content = files.read_json(ADAPTER_CONFIG, MAX_ADAPTER_CONFIG_BYTES)
    table, source, basis = _tensors(files)
    model = base if base is not None else _base(content, files.place(ADAPTER_CONFIG))
    if isinstance(model, AdaptedModel):
        raise ModelReferenceError(f"{model.id} has an adapter already, and one is what is modelled")
    whole = {name: getattr(model, name) for name in fields_of(type(model))}
    kind, rank = content.get("peft_type", "LoRA"), content.get("r")
    said = (
        f"{quoted(kind)} adapter{f' of rank {rank}' if type(rank) is int else ''} on {model.id}, "
        f"{table.total_bytes:,} bytes; PEFT keeps 16-bit adapters in fp32 unless told otherwise"
    )
    whole |= {
        "id": f"{model.id} + {text}" if base is None else text,
        "notes": (*model.notes, said, *_misfits(model, table)),
        "adapters": table,
        "adapter_source": source,
        "adapter_basis": basis,
    }
    return AdaptedModel(**whole)


def from_base_and_adapter(base: str, adapter: str) -> Model:
    """``BASE+ADAPTER`` as the user typed it: the base may be anything that can be named."""
    reference = resolve(adapter)
    if reference.repo is not None:
        from weighbridge.model.remote import repository_files

        files, _ = repository_files(reference.repo)
    elif reference.kind == "folder" and reference.path:
        files = Folder(Path(reference.path))
    else:
        raise ModelReferenceError(f"{adapter!r} is no adapter; give a folder or hf:org/name")
    if ADAPTER_CONFIG not in files.names():
        raise ModelReferenceError(f"{files.where} is no adapter: it holds no {ADAPTER_CONFIG}")
    return from_adapter(f"{base}+{adapter}", files, load_model(base))


def _base(content: dict[str, Any], where: str) -> Model:
    """The base by catalogue or Hub; a path from a file is never followed."""
    name = content.get("base_model_name_or_path")
    if not isinstance(name, str) or not name.strip():
        raise ConfigError(
            f"{where} names no base_model_name_or_path; name the base yourself as BASE+ADAPTER"
        )
    row = catalog.find(name) if len(name) <= 200 and name.isprintable() else None
    if row is not None:
        return load_row(row)
    repo = parse_repo(name)
    if repo is None or "/" not in repo.id:
        raise ModelReferenceError(
            f"{where} names its base {quoted(name)}, which is neither in the catalogue nor an id "
            "of the Hub, and a path in a file is not followed; name the base yourself as "
            "BASE+ADAPTER, such as ./base+./adapter"
        )
    revision = content.get("revision")
    pinned = f"{repo.id}@{revision}" if isinstance(revision, str) and revision else repo.id
    asked = parse_repo(pinned)
    if asked is None:
        raise ConfigError(f"{where}: revision = {quoted(revision)} is no revision of the Hub")
    from weighbridge.model.remote import from_hub

    return from_hub(pinned, asked, adapters=False)


def _tensors(files: Files) -> tuple[TensorTable, str, str]:
    names = files.names()
    if ADAPTER_WEIGHTS in names:
        header = files.read_headers([ADAPTER_WEIGHTS])[ADAPTER_WEIGHTS]
        return header.tensors, f"header of {ADAPTER_WEIGHTS}{files.origin}", "header"
    if ADAPTER_PICKLE in names:
        size = files.size(ADAPTER_PICKLE)
        table = TensorTable([Tensor(ADAPTER_PICKLE, "U8", (size,), size)])
        return table, f"size of {ADAPTER_PICKLE}{files.origin}, which is never opened", "assumed"
    raise FileFormatError(f"{files.where} holds {ADAPTER_CONFIG} but no {ADAPTER_WEIGHTS}")


def _misfits(model: Model, table: TensorTable) -> tuple[str, ...]:
    """Say where LoRA's factors do not have the sides of the base's matrices."""
    shapes = dict(model.named_parameters())
    wrong, seen, unknown = [], 0, 0
    for tensor in table:
        match = _WRAPPED.fullmatch(tensor.name)
        if match is None or len(tensor.shape) != 2:
            continue
        seen += 1
        base = shapes.get(f"{match[1]}.weight")
        if base is None:
            unknown += 1
        elif len(base) == 2 and tensor.shape[match[2] == "A"] != base[match[2] == "A"]:
            wrong.append(tensor.name)
    notes = []
    if wrong:
        notes.append(
            f"{len(wrong):,} of the adapter's {seen:,} factors, such as {wrong[0]}, do not fit "
            f"the matrices of {model.id}; is it the right base"
        )
    if unknown:
        notes.append(f"{unknown:,} of the adapter's factors belong to no matrix of {model.id}")
    return tuple(notes)
