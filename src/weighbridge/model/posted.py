"""Headers that someone else read: names, types and shapes of a file that is not on this machine.

A browser reads the header of a file that is dropped on a page and sends what it says, never the
weights. It is held against the same rules as a header that is read here, and the model is made of
it on the same path as that of a folder.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from weighbridge.errors import FileFormatError, ModelReferenceError
from weighbridge.model.bounded import quoted
from weighbridge.model.checkpoint import CONFIG_NAME
from weighbridge.model.facts import Model
from weighbridge.model.ggml import GGML
from weighbridge.model.gguf import DEFAULT_ALIGNMENT, GgufHeader
from weighbridge.model.gguf_metadata import (
    KEPT_BYTES,
    KEPT_NUMBERS,
    MAX_ENTRIES,
    MAX_KEY_BYTES,
    Skipped,
    Value,
)
from weighbridge.model.gguf_splits import COUNT_KEY, NUMBER_KEY, TENSORS_KEY
from weighbridge.model.gguf_tensors import MAX_DIMENSION, MAX_DIMENSIONS, MAX_NAME_BYTES
from weighbridge.model.local import from_files
from weighbridge.model.safetensors import Header, parse_header
from weighbridge.model.shards import SINGLE_NAME
from weighbridge.model.tensors import BITS_PER_ELEMENT, Tensor, TensorTable
from weighbridge.records import replace

FORMATS = ("config", "safetensors", "gguf")
MAX_TENSORS, MAX_NAME = 2**17, 200
GGUF_NAME = "model.gguf"


class Posted:
    """The files of a model of which only config and headers are known."""

    path: Path | None = None
    origin = ", as it was sent"

    def __init__(
        self,
        where: str,
        config: dict[str, Any] | None,
        headers: Mapping[str, Header],
        ggufs: Mapping[str, GgufHeader],
    ) -> None:
        self.where = where
        self._config = config
        self._headers = headers
        self._ggufs = ggufs

    def names(self) -> set[str]:
        """Those that were sent."""
        return {*self._headers, *self._ggufs, *([CONFIG_NAME] if self._config is not None else [])}

    def place(self, name: str) -> str:
        """The name of the model stands for its files."""
        return f"{self.where}/{name}" if name == CONFIG_NAME else self.where

    def size(self, name: str) -> int:
        """Bytes of the file, by its header."""
        header = self._headers.get(name) or self._ggufs.get(name)
        if header is None:
            raise ModelReferenceError(f"{self.where}: {name} was not sent")
        return header.file_bytes

    def read_json(self, name: str, limit: int) -> dict[str, Any]:  # noqa: ARG002
        """The config; it was bounded when it was sent."""
        if name != CONFIG_NAME or self._config is None:
            raise ModelReferenceError(f"{self.where}: {name} was not sent")
        return self._config

    def read_headers(self, names: Collection[str]) -> dict[str, Header]:
        """The headers of safetensors."""
        return {name: self._headers[name] for name in names}

    def gguf_names(self) -> set[str]:
        """The GGUF files."""
        return set(self._ggufs)

    def read_gguf_headers(self, names: Collection[str]) -> dict[str, GgufHeader]:
        """The headers of GGUF files."""
        return {name: self._ggufs[name] for name in names}


def posted_model(sent: Mapping[str, Any]) -> Model:
    """The facts of ``{"format", "name", "config", "tensors", "metadata"}``.

    Raises FileFormatError where the table is not what a file of that format could hold.
    """
    kind, where = sent.get("format", "config"), model_name(sent.get("name"))
    if kind not in FORMATS:
        raise FileFormatError(f"format {quoted(kind)} is not one of {', '.join(FORMATS)}")
    config = sent.get("config")
    if config is not None and not isinstance(config, dict):
        raise FileFormatError("config is the object that a config.json holds")
    headers: dict[str, Header] = {}
    ggufs: dict[str, GgufHeader] = {}
    if kind == "safetensors":
        headers[SINGLE_NAME] = _safetensors(sent.get("tensors"), where)
    elif kind == "gguf":
        ggufs[GGUF_NAME] = _gguf(sent.get("tensors"), sent.get("metadata"), where)
        config = None
    if kind != "gguf" and config is None:
        raise FileFormatError("config is missing: the object that the model's config.json holds")
    return replace(from_files(where, Posted(where, config, headers, ggufs)), id=where)


def model_name(name: object) -> str:
    """A name to show: short, and of characters that can be printed."""
    if name is None:
        return "the model sent"
    if not isinstance(name, str) or not name.strip() or len(name) > MAX_NAME:
        raise FileFormatError(f"a name to show is a text of 1 to {MAX_NAME} characters")
    if not name.isprintable():
        raise FileFormatError(f"the name {quoted(name)} cannot be printed")
    return name.strip()


def _rows(tensors: object) -> list[dict[str, Any]]:
    """The table's rows, each an object with a name, a type and a shape of whole numbers."""
    if not isinstance(tensors, list) or not tensors:
        raise FileFormatError("tensors is a list of objects with name, dtype and shape")
    if len(tensors) > MAX_TENSORS:
        raise FileFormatError(f"{len(tensors):,} tensors are more than {MAX_TENSORS:,}")
    names: set[str] = set()
    for row in tensors:
        if not isinstance(row, dict) or not all(key in row for key in ("name", "dtype", "shape")):
            raise FileFormatError("each tensor is an object with name, dtype and shape")
        name, shape = row["name"], row["shape"]
        if not isinstance(name, str) or not name or not name.isprintable():
            raise FileFormatError(f"a tensor is named {quoted(name)}, which is no printable name")
        if len(name.encode("utf-8", "replace")) > MAX_NAME_BYTES:
            raise FileFormatError(f"tensor {quoted(name)} has a name of more than 512 bytes")
        if name in names:
            raise FileFormatError(f"tensor {quoted(name)} is described twice")
        names.add(name)
        if not isinstance(shape, list) or any(
            type(size) is not int or not 0 <= size <= MAX_DIMENSION for size in shape
        ):
            raise FileFormatError(
                f"tensor {quoted(name)} has the shape {quoted(shape)}; it is a list of whole "
                "numbers of 0 to 2^48"
            )
        if not isinstance(row["dtype"], str):
            raise FileFormatError(f"tensor {quoted(name)} has the dtype {quoted(row['dtype'])}")
    return tensors


def _safetensors(tensors: object, where: str) -> Header:
    """The header as its file holds it, tensors end to end, through the reader of files."""
    described: dict[str, Any] = {}
    at = 0
    for row in _rows(tensors):
        bits = BITS_PER_ELEMENT.get(row["dtype"], 8) * math.prod(row["shape"])
        end = at + bits // 8
        described[row["name"]] = {
            "dtype": row["dtype"],
            "shape": row["shape"],
            "data_offsets": [at, end],
        }
        at = end
    raw = json.dumps(described, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return parse_header(raw, None, where)


def _gguf(tensors: object, metadata: object, where: str) -> GgufHeader:
    """The header of a GGUF file, or of its parts taken together."""
    values = _metadata(metadata)
    table = TensorTable(_ggml(row, where) for row in _rows(tensors))
    counted = values.pop(TENSORS_KEY, len(table))
    if counted != len(table):
        raise FileFormatError(
            f"{where} has {quoted(counted)} tensors in all its parts, and {len(table):,} were sent"
        )
    for key in (NUMBER_KEY, COUNT_KEY):
        values.pop(key, None)
    return GgufHeader(
        version=3,
        metadata=values,
        tensors=table,
        alignment=DEFAULT_ALIGNMENT,
        header_bytes=0,
        padding_bytes=0,
        file_bytes=table.total_bytes,
    )


def _ggml(row: Mapping[str, Any], where: str) -> Tensor:
    """One tensor of a GGUF file; shapes are as PyTorch writes them, slowest first."""
    name, kind, shape = row["name"], GGML.get(row["dtype"]), tuple(row["shape"])
    if kind is None:
        raise FileFormatError(
            f"{where}: tensor {quoted(name)} is stored in type {quoted(row['dtype'])}, which ggml "
            "does not have"
        )
    elements = math.prod(shape)
    if len(shape) > MAX_DIMENSIONS or elements >= 2**63:
        raise FileFormatError(
            f"{where}: tensor {quoted(name)} has the shape {quoted(shape)}, which ggml cannot hold"
        )
    if (shape[-1] if shape else 1) % kind.block:
        raise FileFormatError(
            f"{where}: tensor {quoted(name)} has rows of {shape[-1]:,} values, which {kind.name} "
            f"cannot cut into blocks of {kind.block}"
        )
    return Tensor(name, kind.name, shape, kind.bytes_of(elements))


def _metadata(metadata: object) -> dict[str, Value]:
    if not isinstance(metadata, dict):
        raise FileFormatError("metadata is the object of a GGUF file's keys and values")
    if len(metadata) > MAX_ENTRIES:
        raise FileFormatError(f"metadata has more than {MAX_ENTRIES:,} entries")
    return {key: _value(key, value) for key, value in metadata.items()}


def _value(key: str, value: object) -> Value:
    """A number, a truth, a text, numbers; or ``{"count": N}`` for a list that was left out."""
    if not key or not key.isprintable() or len(key) > MAX_KEY_BYTES:
        raise FileFormatError(f"metadata has the key {quoted(key)}, which none can be")
    if isinstance(value, bool) or _is_number(value):
        return value  # type: ignore[return-value]
    if isinstance(value, str) and len(value) <= KEPT_BYTES:
        return value
    if isinstance(value, list) and len(value) <= KEPT_NUMBERS:
        if all(isinstance(item, bool) or _is_number(item) for item in value):
            return tuple(value)
    elif isinstance(value, dict) and set(value) == {"count"}:
        count = value["count"]
        if type(count) is int and 0 <= count < 2**32:
            return Skipped("strings", count)
    raise FileFormatError(
        f"metadata {quoted(key)} is no number, truth, short text or short list of numbers; send "
        'what is longer as {"count": N}'
    )


def _is_number(value: object) -> bool:
    if type(value) is int:
        return abs(value) < 2**64
    return isinstance(value, float) and math.isfinite(value)
