"""The header reader against the safetensors library: on its own files, and on broken ones."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostile.headers import packed
from model.conservation import parsed
from weighbridge.errors import FileFormatError
from weighbridge.model.safetensors import Header

NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=40).filter(
    lambda name: name != "__metadata__" and name.isprintable()
)
SHAPES = st.lists(st.integers(0, 5), max_size=4).map(tuple)
NUMPY_DTYPES = [
    *("bool", "uint8", "int8", "int16", "uint16", "float16", "int32", "uint32", "float32"),
    *("complex64", "float64", "int64", "uint64"),
]
TORCH_DTYPES = [
    *("bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu"),
    *("float8_e4m3fnuz", "float8_e5m2fnuz"),
]
TABLES = st.dictionaries(NAMES, SHAPES, max_size=12)
METADATA = st.dictionaries(st.text(), st.text(), min_size=1, max_size=3)


def same_as_the_library(content: bytes, header: Header) -> None:
    """Compare with what the safetensors library itself reads in the file."""
    library = pytest.importorskip("safetensors")
    theirs = {
        name: (found["dtype"], tuple(found["shape"]), len(found["data"]))
        for name, found in library.deserialize(content)
    }
    ours = {t.name: (t.dtype, t.shape, t.nbytes) for t in header.tensors}
    assert ours == theirs
    assert header.tensors.total_bytes == len(content) - header.header_bytes


@given(table=TABLES, metadata=METADATA, data=st.data())
@settings(max_examples=200, deadline=None)
def test_reads_back_what_numpy_wrote(table: dict, metadata: dict, data: st.DataObject) -> None:
    numpy = pytest.importorskip("numpy")
    writer = pytest.importorskip("safetensors.numpy")
    arrays = {
        name: numpy.zeros(shape, data.draw(st.sampled_from(NUMPY_DTYPES)))
        for name, shape in table.items()
    }
    content = writer.save(arrays, metadata=metadata)
    header = parsed(content)
    assert header.metadata == metadata
    same_as_the_library(content, header)
    assert {t.name: t.shape for t in header.tensors} == table
    assert {t.name: t.nbytes for t in header.tensors} == {k: a.nbytes for k, a in arrays.items()}


@given(table=TABLES, data=st.data())
@settings(max_examples=100, deadline=None)
def test_reads_back_what_torch_wrote(table: dict, data: st.DataObject) -> None:
    torch = pytest.importorskip("torch")
    writer = pytest.importorskip("safetensors.torch")
    arrays = {
        name: torch.zeros(shape, dtype=getattr(torch, data.draw(st.sampled_from(TORCH_DTYPES))))
        for name, shape in table.items()
    }
    content = writer.save(arrays)
    same_as_the_library(content, parsed(content))


def accepted(content: bytes) -> Header | None:
    """What the reader makes of ``content``: a header, or None with an error of the right kind."""
    try:
        return parsed(content)
    except FileFormatError as error:
        message = str(error)
    assert message.isprintable()
    return None


@given(st.binary(max_size=300))
@settings(max_examples=500, deadline=None)
def test_random_bytes_are_refused_politely(content: bytes) -> None:
    accepted(content)
    accepted(packed(b"{" + content))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["a", "dtype", "shape", "data_offsets", "__metadata__"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
@settings(max_examples=500, deadline=None)
def test_random_json_is_refused_politely(value: object) -> None:
    accepted(packed(json.dumps(value)))
    accepted(packed(json.dumps({"a": value})))


PIECES = [
    *(b'"', b"{", b"}", b"[", b"]", b",", b":", b"-", b"0", b"9", b"e9", b"1.5", b" ", b"\n"),
    *(b"\\", b"\x00", b"\xff", b"null", b"true", b"NaN", b"F64", b"\\u0000", b"[]", b"{}"),
    *(b'"a"', b'"shape"', b'"__metadata__":{"k":"v"},', b"18446744073709551616"),
]
VALID = packed(
    {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        "b": {"dtype": "BF16", "shape": [], "data_offsets": [8, 10]},
        "c": {"dtype": "U8", "shape": [0, 3], "data_offsets": [10, 10]},
        "d": {"dtype": "F4", "shape": [2, 2], "data_offsets": [10, 12]},
    },
    bytes(12),
)
EDITS = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 4), st.sampled_from(PIECES)),
    min_size=1,
    max_size=4,
)


@given(edits=EDITS)
@settings(max_examples=2_000, deadline=None)
def test_a_mutated_header_is_refused_or_read_as_the_library_reads_it(edits: list) -> None:
    raw = VALID[8:-12]
    for at, dropped, piece in edits:
        start = at % (len(raw) + 1)
        raw = raw[:start] + piece + raw[start + dropped :]
    content = packed(raw, bytes(12))
    header = accepted(content)
    if header is not None:
        same_as_the_library(content, header)
