"""The tensors of a GGUF file with their bytes: those of the file at hand, or of the mixture that
``llama-quantize`` would make.

The head is the embedding where they are tied; llama.cpp then holds it twice, once in host memory
for the lookup and once beside the last layer (``TENSOR_DUPLICATED``, src/llama-model.cpp).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from weighbridge.engine.llama_cpp.names import gguf_name, layer_name
from weighbridge.errors import RequestError
from weighbridge.formats import find_format
from weighbridge.formats.ggml import GgmlFormat
from weighbridge.formats.stated import stated_format
from weighbridge.formats.table import StorageFormat
from weighbridge.model.facts import Model, Parameter
from weighbridge.records import replace

PLAIN = {"fp32": 4, "fp16": 2, "bf16": 2}
LOOKUP = frozenset({"token_embd", "per_layer_token_embd", "position_embd", "token_types"})
HEAD = "output"


class Piece(NamedTuple):
    """A tensor: its full GGUF name, its layer (None outside them), its bytes."""

    name: str
    layer: int | None
    size: int

    @property
    def stem(self) -> str:
        """The name without layer and ending: ``ffn_up_exps``."""
        return re.sub(r"^blk\.\d+\.|\.(?:weight|bias)$", "", self.name)


class Weights(NamedTuple):
    """The pieces of a model; ``exact`` where they are the file's own."""

    pieces: tuple[Piece, ...]
    storage: StorageFormat
    exact: bool
    tied: bool

    @property
    def total(self) -> int:
        """Bytes of the file's tensors."""
        return sum(piece.size for piece in self.pieces)


def storage_of(model: Model, wanted: str) -> StorageFormat:
    """The format of the weights; raises RequestError where llama.cpp does not load it."""
    if wanted != "auto":
        storage = find_format(wanted)
    elif model.quantization:
        storage = stated_format(model.quantization, model.id)
        if not isinstance(storage, GgmlFormat):
            storage = find_format(model.dtype if model.dtype in PLAIN else "bf16")
    else:
        storage = find_format(model.dtype if model.dtype in PLAIN else "bf16")
    if storage.name == "mxfp4":
        storage = find_format("mxfp4_moe")
    if not isinstance(storage, GgmlFormat) and storage.name not in PLAIN:
        raise RequestError(
            f"llama.cpp loads GGUF files, which hold no {storage.name}; "
            "try --weights q4_k_m, q8_0, bf16"
        )
    return storage.for_model(model)


def weigh(model: Model, wanted: str) -> Weights:
    """The tensors as a file would hold them."""
    storage = storage_of(model, wanted)
    if _is_file(model) and (wanted == "auto" or _same(model, storage)):
        return Weights(_of_file(model), storage, exact=True, tied=model.tied)
    pieces = [
        Piece(gguf_name(each.name), None, tensor_bytes(each, storage)) for each in model.outer
    ]
    for index, layer in enumerate(model.layers):
        for each in layer.parameters:
            full = replace(each, name=f"{model.layer_prefix}{index}.{each.name}")
            size = tensor_bytes(full, storage)
            pieces += _split(layer_name(index, each.name), index, size)
    return Weights(tuple(pieces), storage, exact=False, tied=model.tied)


def _split(name: str, layer: int, size: int) -> list[Piece]:
    """Gate and up stand in one tensor of a checkpoint, and in two of a GGUF file."""
    if "ffn_gate_up_" not in name:
        return [Piece(name, layer, size)]
    return [
        Piece(name.replace("ffn_gate_up_", each), layer, size // 2)
        for each in ("ffn_gate_", "ffn_up_")
    ]


def tensor_bytes(parameter: Parameter, storage: StorageFormat) -> int:
    """Bytes of a tensor; vectors, routers and convolutions are kept in 32 bit."""
    if isinstance(storage, GgmlFormat):
        return storage.bytes_of(parameter)
    wide = len(parameter.shape) < 2 or parameter.role == "router" or "conv1d" in parameter.name
    return parameter.elements * (4 if wide else PLAIN[storage.name])


def _is_file(model: Model) -> bool:
    return model.stored is not None and model.layer_prefix == "blk."


def _same(model: Model, storage: StorageFormat) -> bool:
    return model.quantization is not None and (
        stated_format(model.quantization, model.id).name == storage.name
    )


def _of_file(model: Model) -> tuple[Piece, ...]:
    assert model.stored is not None
    found = []
    for tensor in model.stored:
        number = re.match(r"blk\.(\d+)\.", tensor.name)
        found.append(Piece(tensor.name, int(number[1]) if number else None, tensor.nbytes))
    return tuple(found)


def tower_bytes(model: Model) -> int:
    """A projector's file in 16 bit (mmproj), as it is usually given."""
    return 2 * model.towers_elements


def largest(pieces: Sequence[Piece]) -> int:
    """The largest tensor."""
    return max((piece.size for piece in pieces), default=0)
