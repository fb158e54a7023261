"""The safetensors header reader: exact on what the library writes, one clear error on the rest."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from pathlib import Path

import pytest

from hostile.headers import GOOD, HEADERS, packed
from model.conservation import parsed
from weighbridge.errors import FileFormatError, ModelReferenceError
from weighbridge.model.safetensors import header_length, parse_header, read_header
from weighbridge.model.tensors import Tensor

QUICK = 0.05  # seconds of CPU in which a hostile file must be refused


def written(folder: Path, content: bytes, name: str = "model.safetensors") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_reads_a_small_file(tmp_path: Path) -> None:
    content = packed(
        {
            "__metadata__": {"format": "pt"},
            "b": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [8, 20]},
            "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
            "s": {"dtype": "I64", "shape": [], "data_offsets": [20, 28]},
        },
        bytes(28),
    )
    header = read_header(written(tmp_path, content))
    assert tuple(header.tensors) == (
        Tensor("a", "F32", (2,), 8),
        Tensor("b", "BF16", (2, 3), 12),
        Tensor("s", "I64", (), 8),
    )
    assert header.metadata == {"format": "pt"}
    assert header.data_bytes == header.tensors.total_bytes == 28
    assert header.header_bytes + header.data_bytes == header.file_bytes == len(content)


def test_header_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        parsed(GOOD).data_bytes = 0  # type: ignore[misc]


@pytest.mark.parametrize(
    "header",
    [
        "{}",
        "{}   ",
        "{ \n\t}\r\n",
        '{"__metadata__":{}}',
        '{ "__metadata__" : { "a" : "\\u00e9" } }',
    ],
)
def test_files_without_tensors(header: str) -> None:
    assert len(parsed(packed(header)).tensors) == 0


def test_metadata_may_hold_json_and_any_text() -> None:
    metadata = {"config": json.dumps({"a": {"b": [1, "}"]}}), "": "", "é": "\n\x00 😀"}
    assert parsed(packed({"__metadata__": metadata})).metadata == metadata


def test_without_a_known_size_the_last_tensor_is_the_end() -> None:
    length = int.from_bytes(GOOD[:8], "little")
    assert parse_header(GOOD[8 : 8 + length], None, "it") == parsed(GOOD)
    assert header_length(GOOD[:8], None, "it") == length


def test_sub_byte_types_are_counted_in_bits() -> None:
    header = {
        "four": {"dtype": "F4", "shape": [3, 2], "data_offsets": [0, 3]},
        "six": {"dtype": "F6_E3M2", "shape": [4], "data_offsets": [3, 6]},
    }
    assert parsed(packed(header, bytes(6))).tensors.total_bytes == 6


def test_any_order_of_keys_and_any_space_reads_the_same() -> None:
    members = {
        f"layers.{i}.{part}": {"dtype": "F16", "shape": [2, i], "data_offsets": [at, at + 4 * i]}
        for i, at in ((0, 0), (1, 0), (2, 4), (3, 12))
        for part in ("w",)
    }
    compact = json.dumps(members, separators=(",", ":"))
    turned = json.dumps({name: dict(sorted(m.items())) for name, m in reversed(members.items())})
    spaced = json.dumps(members, indent=3)
    escaped = compact.replace("layers", "\\u006cayers")
    tables = [
        parsed(packed(text, bytes(24))).tensors for text in (compact, turned, spaced, escaped)
    ]
    assert len(tables[0]) == 4
    assert all(table == tables[0] for table in tables)


def test_unknown_keys_of_a_tensor_are_ignored_as_the_library_does() -> None:
    text = '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"note":"x"}}'
    assert parsed(packed(text, b"x")).tensors.total_bytes == 1


def test_the_data_is_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, GOOD)
    counts: list[int] = []
    original = os.open

    def opened(*args: object, **kwargs: object) -> int:
        counts.append(original(*args, **kwargs))
        return os.dup(counts[-1])

    monkeypatch.setattr("weighbridge.model.bounded.os.open", opened)
    header = read_header(path)
    # A duplicate shares the position: it stands where reading stopped.
    assert os.lseek(counts[0], 0, os.SEEK_CUR) == header.header_bytes
    os.close(counts[0])


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    link = tmp_path / "link.safetensors"
    link.symlink_to(written(tmp_path, GOOD))
    assert read_header(link).file_bytes == len(GOOD)


@pytest.mark.parametrize("name", HEADERS)
def test_refuses_hostile_headers(tmp_path: Path, name: str) -> None:
    content, problem = HEADERS[name]
    path = written(tmp_path, content)
    seconds, message = refused(path)
    assert problem in message
    assert str(path) in message
    assert "\n" not in message
    assert message.isprintable()
    assert len(message) < 400 + len(str(path))
    assert not message.endswith(".")
    assert seconds < QUICK


def refused(path: Path) -> tuple[float, str]:
    """The best CPU time of three tries at refusing ``path``, and the error."""
    best, message = float("inf"), ""
    for _ in range(3):
        start = time.process_time()
        with pytest.raises(FileFormatError) as caught:
            read_header(path)
        best, message = min(best, time.process_time() - start), str(caught.value)
    return best, message


def test_refuses_a_directory(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="is a directory, where a regular file"):
        read_header(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_refuses_a_fifo_without_waiting(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    os.mkfifo(path)
    with pytest.raises(FileFormatError, match="is a FIFO"):
        read_header(path)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this system has no /dev/zero")
def test_refuses_a_device(tmp_path: Path) -> None:
    link = tmp_path / "model.safetensors"
    link.symlink_to("/dev/zero")
    with pytest.raises(FileFormatError, match="is a device"):
        read_header(link)


def test_a_missing_file_is_a_wrong_reference(tmp_path: Path) -> None:
    with pytest.raises(ModelReferenceError, match="does not exist"):
        read_header(tmp_path / "nothing.safetensors")
    link = tmp_path / "dangling.safetensors"
    link.symlink_to("nowhere")
    with pytest.raises(ModelReferenceError, match="does not exist"):
        read_header(link)


@pytest.mark.parametrize("name", ["a\x00b", "a" * 10_000])
def test_impossible_paths_are_wrong_references(name: str) -> None:
    with pytest.raises(ModelReferenceError) as caught:
        read_header(name)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_tensors_are_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weighbridge.model.safetensors_json.MAX_TENSORS", 2)
    empty = {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}
    assert len(parsed(packed(dict.fromkeys("ab", empty))).tensors) == 2
    with pytest.raises(FileFormatError, match="more than 2 tensors"):
        parsed(packed(dict.fromkeys("abc", empty)))


def test_metadata_is_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weighbridge.model.safetensors_json.MAX_METADATA_ENTRIES", 2)
    with pytest.raises(FileFormatError, match="more than 2 entries in __metadata__"):
        parsed(packed({"__metadata__": dict.fromkeys("abc", "")}))


def test_a_header_given_whole_is_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weighbridge.model.safetensors.MAX_HEADER_BYTES", 4)
    with pytest.raises(FileFormatError, match="more than 4 bytes"):
        parse_header(b"{   }", 0, "it")
