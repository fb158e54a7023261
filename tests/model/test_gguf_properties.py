"""The GGUF reader against the gguf package on its own files, and on mutated ones."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gguf_files import file_of
from weighbridge.errors import FileFormatError
from weighbridge.model.ggml import GGML
from weighbridge.model.gguf import GgufHeader, parse_gguf, read_gguf_header
from weighbridge.model.gguf_cursor import Cursor

NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)
SCALARS = st.booleans() | st.integers(0, 2**32 - 1) | st.text(max_size=20)
VALUES = (
    SCALARS
    | st.lists(st.text(max_size=50), max_size=200)
    | st.lists(st.integers(-(2**31), 2**31 - 1), max_size=20)
)
KINDS = st.sampled_from(sorted(GGML))


def accepted(content: bytes) -> GgufHeader | None:
    """What the reader makes of ``content``: a header, or None with an error of the right kind."""
    file = io.BytesIO(content)
    try:
        return parse_gguf(Cursor(file, len(content), 2**20, "it"))  # type: ignore[arg-type]
    except FileFormatError as error:
        message = str(error)
    assert message.isprintable()
    return None


def conserved(found: GgufHeader) -> None:
    assert found.padding_bytes >= 0
    assert found.header_bytes + found.tensors.total_bytes + found.padding_bytes == found.file_bytes


@given(
    metadata=st.dictionaries(NAMES, VALUES, max_size=6),
    table=st.dictionaries(NAMES, st.tuples(st.lists(st.integers(0, 4), max_size=3), KINDS)),
)
@settings(max_examples=150, deadline=None)
def test_reads_back_what_was_written(metadata: dict, table: dict) -> None:
    metadata.pop("general.alignment", None)
    tensors = {name: ([GGML[kind].block * 2, *rest], kind) for name, (rest, kind) in table.items()}
    raw, size = file_of(metadata, tensors)
    found = accepted(raw + bytes(size - len(raw)))
    assert found is not None
    conserved(found)
    assert {t.name: t.shape for t in found.tensors} == {
        name: tuple(reversed(shape)) for name, (shape, _) in tensors.items()
    }
    for key, value in metadata.items():
        if not isinstance(value, list):
            assert found.metadata[key] == value


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_random_bytes_are_refused_politely(content: bytes) -> None:
    accepted(content)
    accepted(b"GGUF\3\0\0\0" + content)
    accepted(b"GGUF\3\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0" + content)


RAW, SIZE = file_of(
    {
        "general.architecture": "llama",
        "llama.block_count": 1,
        "tokenizer.ggml.tokens": ["a", "bc", "def"] * 30,
        "llama.attention.head_count_kv": [1, 2, 3],
        "b": True,
    },
    {"a": ([8], "F32"), "b": ([32, 2], "Q4_0"), "c": ([256], "IQ2_S")},
)
PIECES = [
    *(b"", b"\0", b"\1", b"\x08", b"\x09", b"\xff", b"GGUF", b"\xff" * 8, b"\0" * 8, b"a"),
    *(b"\x20", b"\0\0\0\x80", b"\0\0\0\0\0\0\0\x80", b"\1\0\0\0\0\0\0\0", b"\0\0\0\0\0\1\0\0"),
]
EDITS = st.lists(
    st.tuples(st.integers(0, 2000), st.integers(0, 8), st.sampled_from(PIECES)),
    min_size=1,
    max_size=4,
)


@given(edits=EDITS)
@settings(max_examples=2_000, deadline=None)
def test_a_mutated_header_is_refused_or_conserved(edits: list) -> None:
    raw = RAW
    for at, dropped, piece in edits:
        start = at % (len(raw) + 1)
        raw = raw[:start] + piece + raw[start + dropped :]
    found = accepted(raw + bytes(SIZE - len(RAW)))
    if found is not None:
        conserved(found)


@given(at=st.integers(0, len(RAW) - 1), bit=st.integers(0, 7))
@settings(max_examples=500, deadline=None)
def test_a_flipped_bit_is_refused_or_conserved(at: int, bit: int) -> None:
    raw = bytearray(RAW)
    raw[at] ^= 1 << bit
    found = accepted(bytes(raw) + bytes(SIZE - len(RAW)))
    if found is not None:
        conserved(found)


@pytest.mark.parametrize("cut", range(0, len(RAW), 7))
def test_every_cut_is_refused(cut: int) -> None:
    assert accepted(RAW[:cut]) is None


@given(table=st.dictionaries(st.from_regex(r"[a-z.]{1,20}", fullmatch=True), KINDS, max_size=8))
@settings(max_examples=30, deadline=None)
def test_reads_back_what_the_gguf_package_wrote(table: dict) -> None:
    gguf = pytest.importorskip("gguf")
    numpy = pytest.importorskip("numpy")
    known = {kind.name for kind in gguf.GGML_QUANT_SIZES} - {"Q8_1"}
    table = {name: kind for name, kind in table.items() if kind in known}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.gguf"
        writer = gguf.GGUFWriter(path, "llama")
        writer.add_block_count(3)
        writer.add_token_list([f"t{i}" for i in range(1000)])
        writer.add_head_count_kv([8, 4, 8])
        for name, kind in table.items():
            data = numpy.zeros((2, GGML[kind].size * 3), dtype=numpy.uint8)
            writer.add_tensor(name, data, raw_dtype=gguf.GGMLQuantizationType[kind])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        found = read_gguf_header(path)
        theirs = gguf.GGUFReader(path)
        assert {t.name: (t.dtype, t.shape, t.nbytes) for t in found.tensors} == {
            t.name: (t.tensor_type.name, tuple(int(n) for n in reversed(t.shape)), int(t.n_bytes))
            for t in theirs.tensors
        }
        assert found.metadata["llama.attention.head_count_kv"] == (8, 4, 8)
        assert found.metadata["tokenizer.ggml.tokens"].count == 1000
        conserved(found)
