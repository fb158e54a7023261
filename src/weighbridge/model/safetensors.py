"""The header of a safetensors file, strictly and without touching the data behind it.

    8 bytes   N, the length of the header, unsigned and little-endian
    N bytes   JSON: {"name": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}, …}
    the rest  the data, in which every byte belongs to exactly one tensor

Every check of safetensors' own ``validate`` (safetensors/src/tensor.rs, 0.8) is made here, and a
few that it leaves out: the header begins with ``{``, no key appears twice, names can be printed,
dimensions stay below 2^48.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from weighbridge.errors import FileFormatError
from weighbridge.model.bounded import label, open_regular, quoted, read_exactly
from weighbridge.model.safetensors_json import HeaderText
from weighbridge.model.tensors import Tensor, TensorTable

LENGTH_BYTES = 8
MAX_HEADER_BYTES = 100_000_000

_OTHER_FORMATS = {
    b"version ": "is a Git LFS pointer, not the weights; fetch them with git lfs pull",
    b"GGUF": "is a GGUF file, not safetensors; give it a name that ends in .gguf",
    b"PK\x03\x04": "is a zip archive (a pickled checkpoint?), which is never opened; "
    "convert it to safetensors",
    b"{": "is a JSON file, not safetensors; name the folder that it lies in",
    b"<!DOCTYP": "is a web page, not safetensors; download the file again",
}


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of one safetensors file says.

    ``tensors`` are in the order of the data; ``header_bytes`` counts the eight bytes of length
    too, so that ``header_bytes + data_bytes == file_bytes`` and
    ``tensors.total_bytes == data_bytes``.
    """

    tensors: TensorTable
    metadata: dict[str, str]
    header_bytes: int
    data_bytes: int
    file_bytes: int


def read_header(path: Path | str) -> Header:
    """The header of the safetensors file at ``path``; the data section is never read.

    Raises FileFormatError where the file is not exactly what the format allows, and
    ModelReferenceError where there is no file.
    """
    path = Path(path)
    where = label(path)
    file, size = open_regular(path)
    with file:
        prefix = read_exactly(file, min(size, LENGTH_BYTES), where)
        length = header_length(prefix, size, where)
        # Not bound to a name, so that the parser can let the bytes go once it has the text.
        return parse_header(read_exactly(file, length, where), size - LENGTH_BYTES - length, where)


def header_length(prefix: bytes, file_bytes: int | None, where: str) -> int:
    """The length of the JSON header, from the first eight bytes of a file.

    ``file_bytes`` is the size of the whole file, or None where it is not known.
    """
    if len(prefix) < LENGTH_BYTES:
        raise FileFormatError(
            f"{where} has {len(prefix)} bytes, too few for the header of a safetensors file"
        )
    length = int.from_bytes(prefix[:LENGTH_BYTES], "little")
    if length > MAX_HEADER_BYTES:
        for magic, what in _OTHER_FORMATS.items():
            if prefix.startswith(magic):
                raise FileFormatError(f"{where} {what}")
        raise FileFormatError(
            f"{where} claims a header of {length:,} bytes, where safetensors allows "
            f"{MAX_HEADER_BYTES:,}"
        )
    if file_bytes is not None and length > file_bytes - LENGTH_BYTES:
        raise FileFormatError(
            f"{where} claims a header of {length:,} bytes but has only {file_bytes:,} in all; "
            "it is cut off or not a safetensors file"
        )
    return length


def parse_header(raw: bytes, data_bytes: int | None, where: str) -> Header:
    """The JSON header ``raw`` (without its eight bytes of length), checked.

    ``data_bytes`` is the size of the data section, or None where it is not known, in which case
    the end of the last tensor is taken; ``where`` names the file in errors (FileFormatError).
    """
    length = len(raw)
    if length > MAX_HEADER_BYTES:
        raise FileFormatError(f"{where} has a header of more than {MAX_HEADER_BYTES:,} bytes")
    if not raw.startswith(b"{"):
        raise FileFormatError(f"{where} has a header that does not begin with {{, as it must")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileFormatError(
            f"{where} has a header that is not UTF-8 at byte {error.start}"
        ) from None
    del raw
    found = HeaderText(text, where)
    del text
    tensors = _laid_end_to_end(found, where)
    stored = tensors.total_bytes
    if data_bytes is not None and stored != data_bytes:
        raise FileFormatError(
            f"{where} describes {stored:,} bytes of tensors but holds {data_bytes:,} behind its "
            f"header; it is {'cut off' if data_bytes < stored else 'followed by other data'}"
        )
    header_bytes = LENGTH_BYTES + length
    return Header(tensors, found.metadata, header_bytes, stored, header_bytes + stored)


def _laid_end_to_end(found: HeaderText, where: str) -> TensorTable:
    """The tensors in the order of their data, which they must fill without gap or overlap."""
    tensors = found.tensors
    misfit = _misfit(tensors, found.begins)
    if misfit is not None:
        # By end too: an empty tensor may begin where the next one does.
        order = sorted(range(len(tensors)), key=lambda i: (found.begins[i], tensors[i].nbytes))
        tensors = [tensors[i] for i in order]
        misfit = _misfit(tensors, [found.begins[i] for i in order])
    if misfit is not None:
        name, begin, at = misfit
        fault = "leaving a hole" if begin > at else "inside another tensor"
        raise FileFormatError(
            f"{where}: tensor {quoted(name)} begins at byte {begin:,} of the data, {fault}: "
            f"those before it end at {at:,}"
        )
    try:
        return TensorTable(tensors)
    except ValueError:
        name, times = Counter(tensor.name for tensor in tensors).most_common(1)[0]
    raise FileFormatError(f"{where}: tensor {quoted(name)} is described {times} times")


def _misfit(tensors: list[Tensor], begins: list[int]) -> tuple[str, int, int] | None:
    """The first tensor that does not begin where the one before it ends: name, begin, that end."""
    at = 0
    for tensor, begin in zip(tensors, begins, strict=True):
        if begin != at:
            return tensor.name, begin, at
        at += tensor.nbytes
    return None
