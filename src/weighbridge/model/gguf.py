"""The header of a GGUF file, strictly, lazily, and without touching the data behind it.

    "GGUF"    version (2 or 3), number of tensors, number of metadata entries, all little-endian
    metadata  key, type, value; a value may be an array of numbers or of strings
    tensors   name, dimensions (fastest first), ggml type, offset into the data
    padding   to the alignment (general.alignment, 32 where it is absent)
    the data  each tensor at its offset, padded to the alignment

Every check of ``gguf_init_from_reader`` (ggml/src/gguf.cpp, ggml 0.25.3) is made here, and a few
that it leaves out: names can be printed, text is UTF-8, the file holds all of its data. Unlike
there, tensors may be described in another order than their data lies in. Arrays of strings (a
tokenizer's vocabulary and merges) and long values are stepped over: what is kept of them is a
:class:`Skipped` with their length.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from weighbridge.model.bounded import label, open_regular, quoted
from weighbridge.model.gguf_cursor import Cursor
from weighbridge.model.gguf_metadata import LEAST_ENTRY, MAX_ENTRIES, Skipped, Value, read_metadata
from weighbridge.model.gguf_tensors import LEAST_TENSOR, MAX_TENSORS, Descriptions, padded
from weighbridge.model.tensors import TensorTable

__all__ = ["GgufHeader", "Skipped", "Value", "parse_gguf", "read_gguf_header"]

MAGIC = b"GGUF"
VERSIONS = (2, 3)
ALIGNMENT_KEY, DEFAULT_ALIGNMENT = "general.alignment", 32
# A vocabulary of 262,144 tokens with its merges takes 20 MB, a tokenizer.json inside as much again.
MAX_HEADER_BYTES = 128 * 2**20
MAX_ALIGNMENT = 2**20
_OTHER_FORMATS = {
    b"version ": "is a Git LFS pointer, not the weights; fetch them with git lfs pull",
    b"PK\x03\x04": "is a zip archive, not GGUF, and is never opened",
    b"tjgg": "is a GGML file from before GGUF (GGJT), which today's programs no longer read",
    b"fmgg": "is a GGML file from before GGUF (GGMF), which today's programs no longer read",
    b"lmgg": "is a GGML file from before GGUF, which today's programs no longer read",
    b"<!DOCTYP": "is a web page, not GGUF; download the file again",
}


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What the header of one GGUF file says.

    ``tensors`` are in the order of their data, with shapes as PyTorch writes them (slowest first)
    and the names of ggml's types for dtypes; ``padding_bytes`` are those between and behind
    tensors, so that ``header_bytes + tensors.total_bytes + padding_bytes == file_bytes``.
    """

    version: int
    metadata: Mapping[str, Value]
    tensors: TensorTable
    alignment: int
    header_bytes: int
    padding_bytes: int
    file_bytes: int


def read_gguf_header(path: Path | str) -> GgufHeader:
    """The header of the GGUF file at ``path``; the data is never read.

    Raises FileFormatError where the file is not exactly what the format allows, and
    ModelReferenceError where there is no file.
    """
    path = Path(path)
    file, size = open_regular(path)
    with file:
        return parse_gguf(Cursor(file, size, MAX_HEADER_BYTES, label(path)))


def parse_gguf(cursor: Cursor) -> GgufHeader:
    """The header under ``cursor``, which stands at the beginning of a file."""
    version = _version(cursor)
    tensor_count = _count(cursor, "tensors", LEAST_TENSOR, MAX_TENSORS)
    entry_count = _count(cursor, "metadata entries", LEAST_ENTRY, MAX_ENTRIES)
    metadata = read_metadata(cursor, entry_count)
    alignment = _alignment(cursor, metadata)
    described = Descriptions(cursor, tensor_count, alignment)
    start = padded(cursor.position, alignment) if tensor_count else cursor.position
    tensors = described.laid_out(start)
    return GgufHeader(
        version=version,
        metadata=metadata,
        tensors=tensors,
        alignment=alignment,
        header_bytes=start,
        padding_bytes=cursor.size - start - tensors.total_bytes,
        file_bytes=cursor.size,
    )


def _version(cursor: Cursor) -> int:
    if cursor.size < 24:
        start = cursor.take(min(cursor.size, 8), "its first bytes")
        _refuse_other_formats(cursor, start)
        cursor.refuse(f"has {cursor.size} bytes, too few for the header of a GGUF file")
    magic = cursor.take(8, "its first bytes")
    if magic[:4] != MAGIC:
        _refuse_other_formats(cursor, magic)
        cursor.refuse(f"is not a GGUF file: it begins with {quoted(magic[:4])}")
    version = int.from_bytes(magic[4:], "little")
    if version & 0xFFFF == 0 and version:
        cursor.refuse(
            "is a big-endian GGUF file, which is not read; "
            "gguf_convert_endian of the gguf package turns it into a little-endian one"
        )
    if version not in VERSIONS:
        cursor.refuse(f"is GGUF version {version}, where versions 2 and 3 are read")
    return version


def _refuse_other_formats(cursor: Cursor, start: bytes) -> None:
    for magic, what in _OTHER_FORMATS.items():
        if start.startswith(magic):
            cursor.refuse(what)
    if len(start) == 8 and int.from_bytes(start, "little") < min(cursor.size, 10**8):
        cursor.refuse("is not a GGUF file; it may be safetensors, whose names end so")


def _count(cursor: Cursor, what: str, least: int, most: int) -> int:
    count = cursor.u64(f"the number of {what}")
    if count * least > cursor.remaining and count:
        cursor.refuse(
            f"claims {count:,} {what}, for which its {cursor.size:,} bytes have no room; "
            "it is cut off or damaged"
        )
    if count > most:
        cursor.refuse(f"claims {count:,} {what}, where at most {most:,} can be right")
    return count


def _alignment(cursor: Cursor, metadata: Mapping[str, Value]) -> int:
    found = metadata.get(ALIGNMENT_KEY, DEFAULT_ALIGNMENT)
    if type(found) is not int or not 0 < found <= MAX_ALIGNMENT or found & (found - 1):
        cursor.refuse(
            f"has {ALIGNMENT_KEY} = {quoted(found)}, where a power of two up to "
            f"{MAX_ALIGNMENT:,} is right"
        )
    return found
