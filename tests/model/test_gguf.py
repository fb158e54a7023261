"""The GGUF header reader: exact on well-formed files, one clear error on the rest."""

from __future__ import annotations

import os
import struct
import time
import tracemalloc
from pathlib import Path

import pytest

from gguf_files import U16, Typed, entry, file_of, header, tensor, write
from hostile.gguf_headers import GGUF_HEADERS, GOOD, HUGE_ARRAY, array
from weighbridge.errors import FileFormatError, ModelReferenceError
from weighbridge.model.ggml import GGML
from weighbridge.model.gguf import Skipped, read_gguf_header
from weighbridge.model.tensors import Tensor

QUICK = 0.05  # seconds of CPU in which a hostile file must be refused
SMALL = 50 * 2**20  # bytes that refusing one may take


def written(folder: Path, content: bytes, name: str = "model.gguf") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_reads_a_small_file(tmp_path: Path) -> None:
    path = write(
        tmp_path / "model.gguf",
        {
            "general.architecture": "llama",
            "llama.block_count": 2,
            "llama.rope.freq_base": 10000.0,
            "llama.attention.head_count_kv": [8, 4],
            "tokenizer.ggml.add_bos_token": True,
            "tokenizer.ggml.tokens": ["a", "b", "é"],
            "split.count": Typed(U16, 1),
            "empty": "",
        },
        {
            "token_embd.weight": ([256, 3], "Q4_K"),
            "output_norm.weight": ([5], "F32"),
            "blk.0.ffn_up_exps.weight": ([32, 2, 4], "Q8_0"),
            "none": ([0, 4], "F16"),
            "scalar": ([], "F32"),
        },
    )
    found = read_gguf_header(path)
    assert tuple(found.tensors) == (
        Tensor("token_embd.weight", "Q4_K", (3, 256), 432),
        Tensor("output_norm.weight", "F32", (5,), 20),
        Tensor("blk.0.ffn_up_exps.weight", "Q8_0", (4, 2, 32), 272),
        Tensor("none", "F16", (4, 0), 0),
        Tensor("scalar", "F32", (), 4),
    )
    assert found.metadata == {
        "general.architecture": "llama",
        "llama.block_count": 2,
        "llama.rope.freq_base": 10000.0,
        "llama.attention.head_count_kv": (8, 4),
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.tokens": Skipped("strings", 3),
        "split.count": 1,
        "empty": "",
    }
    assert found.version == 3
    assert found.alignment == 32
    assert found.file_bytes == path.stat().st_size
    assert found.header_bytes + found.tensors.total_bytes + found.padding_bytes == found.file_bytes


def test_the_data_may_lie_in_another_order_than_it_is_described(tmp_path: Path) -> None:
    content = header((), [tensor("b", [8], offset=32), tensor("a", [8])]) + bytes(64)
    found = read_gguf_header(written(tmp_path, content))
    assert list(found.tensors.names()) == ["a", "b"]


def test_a_file_without_tensors(tmp_path: Path) -> None:
    content = header([entry("general.architecture", "llama")])
    found = read_gguf_header(written(tmp_path, content))
    assert len(found.tensors) == 0
    assert found.header_bytes == len(content)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("alignment", [1, 8, 64, 4096])
def test_versions_and_alignments(tmp_path: Path, version: int, alignment: int) -> None:
    metadata = {"general.alignment": alignment}
    raw, size = file_of(metadata, {"a": ([3], "F32"), "b": ([7], "F16")})
    raw = raw[:4] + struct.pack("<I", version) + raw[8:]
    path = written(tmp_path, raw + bytes(size - len(raw)))
    found = read_gguf_header(path)
    assert (found.version, found.alignment) == (version, alignment)
    assert found.tensors.total_bytes == 26


@pytest.mark.parametrize("kind", GGML.values(), ids=GGML.keys())
def test_every_type_is_read_with_its_bytes(tmp_path: Path, kind: object) -> None:
    dimensions = (2 * kind.block, 3)
    path = write(tmp_path / "model.gguf", {}, {"a": (dimensions, kind.name), "b": ([1], "F32")})
    found = read_gguf_header(path).tensors
    assert found.get("a") == Tensor("a", kind.name, (3, 2 * kind.block), 6 * kind.size)


def test_long_values_are_counted_and_not_kept(tmp_path: Path) -> None:
    metadata = {
        "tokenizer.chat_template": "x" * 100_000,
        "tokenizer.ggml.scores": [0.5] * 20_000,
        "tokenizer.ggml.tokens": ["t" * (i % 300) for i in range(50_000)],
        "last": 7,
    }
    found = read_gguf_header(write(tmp_path / "model.gguf", metadata, {})).metadata
    assert found == {
        "tokenizer.chat_template": Skipped("bytes of text", 100_000),
        "tokenizer.ggml.scores": Skipped("numbers", 20_000),
        "tokenizer.ggml.tokens": Skipped("strings", 50_000),
        "last": 7,
    }


@pytest.mark.parametrize("window", [24, 100, 1000])
def test_the_window_may_end_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: int
) -> None:
    metadata = {"a": ["x" * (i % 50) for i in range(500)], "b": 1, "c": [1.0] * 200, "d": "é" * 20}
    path = write(tmp_path / "model.gguf", metadata, {"t": ([32], "Q8_0")})
    whole = read_gguf_header(path)
    monkeypatch.setattr("weighbridge.model.gguf_cursor.WINDOW", window)
    assert read_gguf_header(path) == whole


def test_what_is_kept_is_bounded(tmp_path: Path) -> None:
    numbers = [array(4, 2**14, bytes(2**16), key=f"n{i}") for i in range(100)]
    path = written(tmp_path, header(numbers))
    tracemalloc.start()
    found = read_gguf_header(path).metadata
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    kept = sum(isinstance(value, tuple) for value in found.values())
    assert kept == 8
    assert peak < 2**24


def test_the_data_is_never_read(tmp_path: Path) -> None:
    path = write(tmp_path / "model.gguf", {}, {"a": ([2**20, 2**20], "F32")})
    start = time.process_time()
    assert read_gguf_header(path).tensors.total_bytes == 2**42
    assert time.process_time() - start < QUICK


@pytest.mark.parametrize("name", GGUF_HEADERS)
def test_refuses_hostile_headers(tmp_path: Path, name: str) -> None:
    content, problem = GGUF_HEADERS[name]
    path = written(tmp_path, content)
    seconds, message = refused(path)
    assert problem in message
    assert str(path) in message
    assert message.isprintable()
    assert len(message) < 400 + len(str(path))
    assert not message.endswith(".")
    assert seconds < QUICK
    tracemalloc.start()
    refused(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < SMALL


def refused(path: Path) -> tuple[float, str]:
    """The best CPU time of three tries at refusing ``path``, and the error."""
    best, message = float("inf"), ""
    for _ in range(3):
        start = time.process_time()
        with pytest.raises(FileFormatError) as caught:
            read_gguf_header(path)
        best, message = min(best, time.process_time() - start), str(caught.value)
    return best, message


def test_the_file_that_hangs_other_readers_is_small() -> None:
    assert len(HUGE_ARRAY) == 113


def test_a_sparse_file_of_strings_is_refused_and_not_walked(tmp_path: Path) -> None:
    path = written(tmp_path, header([array(8, 2**36)]))
    with path.open("r+b") as file:
        file.truncate(2**40)
    seconds, message = refused(path)
    assert "claims 68,719,476,736" in message
    assert seconds < QUICK


def test_a_header_is_capped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weighbridge.model.gguf.MAX_HEADER_BYTES", 64)
    with pytest.raises(FileFormatError, match="a header of more than 64 bytes"):
        read_gguf_header(written(tmp_path, header([entry("k" * 60, "v")])))


def test_refuses_what_is_no_regular_file(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="is a directory"):
        read_gguf_header(tmp_path)
    with pytest.raises(ModelReferenceError, match="does not exist"):
        read_gguf_header(tmp_path / "nothing.gguf")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "fifo.gguf")
        with pytest.raises(FileFormatError, match="is a FIFO"):
            read_gguf_header(tmp_path / "fifo.gguf")


def test_good_is_good(tmp_path: Path) -> None:
    assert read_gguf_header(written(tmp_path, GOOD)).tensors.total_bytes == 64
