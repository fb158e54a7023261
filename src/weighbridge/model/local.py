"""A model's files → its facts: a config.json, or weights with their headers, wherever they lie."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weighbridge.errors import ConfigError, ModelReferenceError, UnknownArchitecture
from weighbridge.model.bounded import is_folder
from weighbridge.model.checkpoint import (
    CONFIG_NAME,
    MAX_CONFIG_BYTES,
    Checkpoint,
    read_checkpoint,
    read_config,
    read_files,
)
from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families import read_model
from weighbridge.model.files import Files, Folder
from weighbridge.model.shards import INDEX_NAME, SINGLE_NAME
from weighbridge.model.tensors import TensorTable
from weighbridge.records import replace

ADAPTER_CONFIG = "adapter_config.json"
WEIGHT_FILES = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".onnx", ".gguf", ".index.json")


def from_config(text: str, path: str) -> Model:
    """The facts of a config.json by itself."""
    return of_config(text, read_config(Path(path)), text)


def from_checkpoint(text: str, path: str) -> Model:
    """The facts of a folder or a file of safetensors: shapes from config, bytes from headers."""
    folder = Path(path)
    if is_folder(folder):
        return from_files(text, Folder(folder))
    return of_checkpoint(text, read_checkpoint(folder), "")


def from_files(text: str, files: Files, *, adapters: bool = True, file: str | None = None) -> Model:
    """The facts of a model's files, in a folder or on the Hub.

    ``file`` is one of its GGUF files, or how the name of one ends; without it GGUF files are read
    where there are no safetensors.

    Files that hold a config.json and no weights at all are read as that config; an adapter adds
    to its base, unless it was to be a base itself; weights that are never opened count with their
    size.
    """
    names = files.names()
    if file is not None:
        return _from_ggufs(text, files, file)
    if ADAPTER_CONFIG in names and not names & {SINGLE_NAME, INDEX_NAME}:
        from weighbridge.model.adapter import from_adapter

        if not adapters:
            raise ModelReferenceError(f"{files.where} is an adapter itself, where a base is needed")

        return from_adapter(text, files)
    weights = any(name.endswith(WEIGHT_FILES) for name in names) or files.gguf_names()
    if CONFIG_NAME in names and not weights:
        place = files.place(CONFIG_NAME)
        return of_config(place, files.read_json(CONFIG_NAME, MAX_CONFIG_BYTES), place)
    readable = (".safetensors", INDEX_NAME, "model_index.json")
    if not any(name.endswith(readable) for name in names):
        if files.gguf_names():
            return _from_ggufs(text, files, None)
        from weighbridge.model.unopened import from_unopened

        return from_unopened(text, files)
    return of_checkpoint(text, read_files(files), files.origin)


def of_config(text: str, content: dict[str, Any], where: str) -> Model:
    """The facts of what a config.json holds."""
    return replace(known_or_assumed(content, where), id=text, source=f"{where}")


def of_checkpoint(text: str, checkpoint: Checkpoint, origin: str) -> Model:
    """Shapes from the checkpoint's config, bytes from its headers."""
    if checkpoint.config is None:
        raise ConfigError(
            f"{text}: there is no config.json beside the weights "
            f"({checkpoint.tensors.total_bytes:,} bytes in {len(checkpoint.tensors):,} tensors), "
            "so layers and heads are not known; put the model's config.json there"
        )
    beside = _quantization_beside(checkpoint)
    where = f"{text}/{CONFIG_NAME}"
    model = known_or_assumed(checkpoint.config, where, checkpoint.tensors)
    quantization = _stated_together(model.quantization, beside)
    differences = _differences(model, checkpoint, quantization)
    names = [name for name, _ in checkpoint.shards]
    return replace(
        model,
        id=text,
        quantization=quantization,
        stored=checkpoint.tensors,
        stored_files=tuple(names),
        basis="header" if model.basis == "config" else model.basis,
        notes=(*model.notes, *checkpoint.notes, *differences),
        source=f"headers of {', '.join(names[:3])}"
        + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        + origin,
    )


def known_or_assumed(
    content: dict[str, Any], where: str, stored: TensorTable | None = None
) -> Model:
    """The facts by the family of the config, or those assumed where none reads it."""
    config = Config(content, where)
    try:
        return read_model(config)
    except UnknownArchitecture:
        from weighbridge.model.unknown import read_unknown

        return read_unknown(config, stored)


def from_gguf(text: str, path: str) -> Model:
    """The facts of a GGUF file, with all of its parts where it is one of several."""
    from weighbridge.model.families.gguf import read_gguf_model
    from weighbridge.model.gguf_splits import read_gguf

    return read_gguf_model(read_gguf(path), text)


def _from_ggufs(text: str, files: Files, wanted: str | None) -> Model:
    """The facts of one of a folder's or repository's GGUF models."""
    from weighbridge.model.families.gguf import read_gguf_model
    from weighbridge.model.gguf_choice import choose_gguf
    from weighbridge.model.gguf_splits import read_parts

    hub = files.path is None
    name, notes = choose_gguf(files.gguf_names(), files.where, wanted, hub=hub)
    model = read_gguf_model(read_parts(name, files), files.place(name))
    return replace(
        model, id=text, notes=(*notes, *model.notes), source=f"{model.source}{files.origin}"
    )


def _stated_together(
    stated: Mapping[str, Any] | None, beside: dict[str, Any] | None
) -> Mapping[str, Any] | None:
    """What config.json says, with the layers that ModelOpt lists in a file of its own."""
    if stated is None or beside is None:
        return stated or beside
    listed = beside.get("quantized_layers")
    return stated if listed is None else {"quantized_layers": listed, **stated}


def _quantization_beside(checkpoint: Checkpoint) -> dict[str, Any] | None:
    """The quantization that ModelOpt, GPTQ and AWQ tools write beside config.json."""
    for name, content in checkpoint.other.items():
        if not isinstance(content, dict):
            continue
        if name == "hf_quant_config.json":
            inner = content.get("quantization")
            return {"quant_method": "modelopt", **(inner if isinstance(inner, dict) else content)}
        method = "awq" if "w_bit" in content else "gptq"
        return {"quant_method": method, **content}
    return None


def _differences(model: Model, checkpoint: Checkpoint, quantization: object) -> tuple[str, ...]:
    """Say where the files hold other tensors than the architecture has."""
    if quantization or model.basis == "assumed":
        return ()
    known = dict(model.named_parameters())
    stored = {tensor.name: tensor.shape for tensor in checkpoint.tensors}
    missing = [name for name in known if name not in stored]
    extra = [name for name in stored if name not in known]
    reshaped = [name for name in known if name in stored and stored[name] != known[name]]
    notes = []
    if reshaped:
        notes.append(
            f"tensors of another shape than config.json says: {_some(reshaped)}; "
            "the headers' bytes are used"
        )
    if missing:
        notes.append(f"tensors of the architecture that are not in the files: {_some(missing)}")
    if extra:
        notes.append(f"tensors in the files that are no parameters: {_some(extra)}")
    return tuple(notes)


def _some(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names):,}, such as {names[0]}"
