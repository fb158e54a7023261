"""Models in several GGUF files: all parts, in order, each once, and none missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from gguf_files import I32, U16, Typed, write
from weighbridge.errors import FileFormatError, ModelReferenceError
from weighbridge.model.gguf_splits import part_of, read_gguf


def split(folder: Path, *tensors: dict, total: int | None = None, **changed: object) -> list[Path]:
    """Write a model in as many parts as there are tables of tensors."""
    count = len(tensors)
    claimed = sum(map(len, tensors)) if total is None else total
    paths = []
    for number, table in enumerate(tensors):
        metadata = {
            "split.no": Typed(U16, number),
            "split.count": Typed(U16, count),
            "split.tensors.count": Typed(I32, claimed),
        }
        if number == 0:
            metadata = {"general.architecture": "llama", **metadata}
        metadata |= changed.get(f"part_{number}", {})
        path = folder / f"model-{number + 1:05d}-of-{count:05d}.gguf"
        paths.append(write(path, metadata, table))
    return paths


A, B, C = {"a": ([8], "F32")}, {"b": ([32], "Q8_0")}, {"c": ([256], "Q4_K")}


@pytest.mark.parametrize("named", [0, 1, 2])
def test_any_part_may_be_named(tmp_path: Path, named: int) -> None:
    paths = split(tmp_path, {}, A | B, C)
    found = read_gguf(paths[named])
    assert list(found.tensors.names()) == ["a", "b", "c"]
    assert found.tensors.total_bytes == 32 + 34 + 144
    assert found.metadata["general.architecture"] == "llama"
    assert [name for name, _ in found.files] == [path.name for path in paths]


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    paths = split(tmp_path, A, B, C)
    paths[1].unlink()
    with pytest.raises(ModelReferenceError, match="1 are missing, the first being model-00002"):
        read_gguf(paths[0])


def test_parts_must_say_what_their_names_say(tmp_path: Path) -> None:
    paths = split(tmp_path, A, B, part_1={"split.no": Typed(U16, 0)})
    with pytest.raises(FileFormatError, match=r"split\.no = 0"):
        read_gguf(paths[0])


def test_a_tensor_may_be_in_one_part_only(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="'a' is in model-00002"):
        read_gguf(split(tmp_path, A, A)[0])


def test_tensors_must_be_as_many_as_claimed(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="hold 2 tensors"):
        read_gguf(split(tmp_path, A, B, total=3)[0])


def test_a_part_under_another_name_cannot_find_the_others(tmp_path: Path) -> None:
    path = split(tmp_path, A, B)[0].rename(tmp_path / "model.gguf")
    with pytest.raises(ModelReferenceError, match="its name does not end in -00001-of-00002"):
        read_gguf(path)


def test_counts_that_cannot_be_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "model.gguf", {"split.count": 60_000}, A)
    with pytest.raises(FileFormatError, match="60000, which cannot be"):
        read_gguf(path)


def test_a_whole_model_may_be_called_a_part(tmp_path: Path) -> None:
    path = write(tmp_path / "model-00001-of-00002.gguf", {"general.architecture": "llama"}, A)
    assert read_gguf(path).notes == (f"{path.name} is called a part, but holds a whole model",)


def test_names_of_parts() -> None:
    assert part_of("a-00002-of-00003.gguf") == ("a", 2, 3)
    assert part_of("a-2-of-3.gguf") is None
    assert part_of("a-00002-of-00003.gguf.part") is None
