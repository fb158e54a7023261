"""Which of several GGUF files is read, by its name, and how a long header is fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from gguf_files import write
from gguf_models import PROJECTOR, TINY, split
from weighbridge.errors import ModelReferenceError
from weighbridge.model.gguf_choice import choose_gguf
from weighbridge.model.hub_files import FIRST_BLOCK, LAST_BLOCK, Ranges
from weighbridge.model.load import load_model
from weighbridge.model.reference import Repo, resolve

# --- which one


NAMES = {
    "Qwen3-8B-Q4_K_M.gguf",
    "Qwen3-8B-UD-Q4_K_XL.gguf",
    "Qwen3-8B-Q8_0-00001-of-00002.gguf",
    "Qwen3-8B-Q8_0-00002-of-00002.gguf",
    "BF16/Qwen3-8B-BF16-00001-of-00002.gguf",
    "BF16/Qwen3-8B-BF16-00002-of-00002.gguf",
    "mmproj-F16.gguf",
}


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("Q4_K_M", "Qwen3-8B-Q4_K_M.gguf"),
        ("q4_k_m", "Qwen3-8B-Q4_K_M.gguf"),
        ("Q4_K_XL", "Qwen3-8B-UD-Q4_K_XL.gguf"),
        ("UD-Q4_K_XL", "Qwen3-8B-UD-Q4_K_XL.gguf"),
        ("Q8_0", "Qwen3-8B-Q8_0-00001-of-00002.gguf"),
        ("BF16", "BF16/Qwen3-8B-BF16-00001-of-00002.gguf"),
        ("Qwen3-8B-Q4_K_M", "Qwen3-8B-Q4_K_M.gguf"),
        ("Qwen3-8B-Q8_0-00002-of-00002.gguf", "Qwen3-8B-Q8_0-00002-of-00002.gguf"),
        ("mmproj-F16.gguf", "mmproj-F16.gguf"),
    ],
)
def test_a_wanted_file_is_found(wanted: str, name: str) -> None:
    assert choose_gguf(NAMES, "org/model", wanted, hub=True).name == name


@pytest.mark.parametrize(
    ("names", "wanted", "says"),
    [
        (NAMES, None, "holds 4 GGUF models: BF16, Q4_K_M, Q8_0, UD-Q4_K_XL; name one of them"),
        (NAMES, None, "such as hf:org/model:BF16"),
        (NAMES, "Q2_K", "holds no GGUF model 'Q2_K'; it has BF16, Q4_K_M, Q8_0, UD-Q4_K_XL"),
        (NAMES, "8_0", "no GGUF model '8_0'"),
        (NAMES, "other.gguf", "no GGUF model 'other.gguf'"),
        ({"a-Q4_0.gguf", "b-Q4_0.gguf"}, "Q4_0", "2 GGUF models 'Q4_0': a-Q4_0, b-Q4_0; name one"),
        ({"a.gguf", "b.gguf"}, None, "such as org/model/a.gguf"),
        ({"mmproj-F16.gguf"}, None, "holds no GGUF model, only the projector mmproj-F16.gguf"),
        ({f"m-Q4_{n}.gguf" for n in range(99)}, None, "and 59 more"),
        ({"a\x1b[2J.gguf", "b.gguf"}, None, "holds 2 GGUF models"),
    ],
)
def test_what_cannot_be_chosen_is_said(names: set[str], wanted: str | None, says: str) -> None:
    with pytest.raises(ModelReferenceError) as caught:
        choose_gguf(names, "org/model", wanted, hub=True)
    assert says in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_projector_is_left_aside_and_said() -> None:
    chosen = choose_gguf({"model.gguf", "mmproj-model-f16.gguf"}, "here", None, hub=False)
    assert chosen.name == "model.gguf"
    assert "mmproj-model-f16.gguf is a projector" in chosen.notes[0]


# --- in a folder


def test_a_folder_with_one_model(tmp_path: Path) -> None:
    write(tmp_path / "model-Q8_0.gguf", *TINY)
    alone = load_model(str(tmp_path / "model-Q8_0.gguf"))
    write(tmp_path / "mmproj-F16.gguf", *PROJECTOR)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    found = load_model(str(tmp_path))
    assert found.stored == alone.stored
    assert found.id == str(tmp_path)
    assert "mmproj-F16.gguf is a projector" in found.notes[0]


def test_a_folder_with_the_parts_of_one_model(tmp_path: Path) -> None:
    for name, file in split(TINY, "model", 3).items():
        write(tmp_path / name, *file)
    found = load_model(str(tmp_path))
    assert len(found.stored_files) == 3
    assert found.parameters == load_model(str(tmp_path / found.stored_files[1])).parameters


def test_a_folder_with_several_models(tmp_path: Path) -> None:
    write(tmp_path / "model-Q8_0.gguf", *TINY)
    write(tmp_path / "model-Q4_0.gguf", *TINY)
    with pytest.raises(ModelReferenceError, match="2 GGUF models: Q4_0, Q8_0; name one of them"):
        load_model(str(tmp_path))


def test_names_of_files() -> None:
    assert resolve("hf:a/b@v1:Q4_K_M").repo == Repo("a/b", "v1", "Q4_K_M")
    assert resolve("a/b/c-Q4_0.gguf@v1").repo == Repo("a/b", "v1", "c-Q4_0.gguf")
    assert resolve("a/b/d/c.gguf").repo == Repo("a/b", "main", "d/c.gguf")


@pytest.mark.parametrize(
    "text",
    ["hf:a/b:", "hf:a/b:../x", "hf:a/b:Q4/x", "a/b/d/e/c.gguf", "./a/b/c.gguf", "/a/b/c.gguf",
     "a/../b/c.gguf", "b/c.gguf", "hf:a/b:Q4\n\x1b[2J", "hf:a/b/../c.gguf"],
)  # fmt: skip
def test_what_names_no_file(text: str) -> None:
    with pytest.raises(ModelReferenceError):
        resolve(text)


def test_ranges_grow_and_are_not_asked_twice() -> None:
    asked: list[tuple[int, int]] = []

    def part(begin: int, count: int) -> bytes:
        asked.append((begin, count))
        return bytes(count)

    size = 40 * LAST_BLOCK
    ranges = Ranges(part, size)
    for at in range(0, 3 * LAST_BLOCK, 2**18):
        ranges.seek(at)
        got = 0
        while got < 2**18:
            got += len(ranges.read(2**18 - got))
    counts = [count for _, count in asked]
    assert (
        counts
        == [FIRST_BLOCK, 2 * FIRST_BLOCK, 4 * FIRST_BLOCK, LAST_BLOCK, LAST_BLOCK, LAST_BLOCK][
            : len(counts)
        ]
    )
    assert asked[-1][0] + asked[-1][1] >= 3 * LAST_BLOCK
    ranges.seek(size)
    assert ranges.read(10) == b""
