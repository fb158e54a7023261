"""Folders of weights: which files make up the model, and which folders are refused."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from hostile.headers import GOOD, packed
from hostile.indexes import INDEXES, SHARD
from model.conservation import conserve
from weighbridge.errors import FileFormatError, InputError, ModelReferenceError
from weighbridge.model.checkpoint import Checkpoint, read_checkpoint

CONFIG = {"model_type": "llama", "hidden_size": 8}


def weights(*names: str) -> bytes:
    """A file that holds one F32 tensor of two elements for each name."""
    return packed(
        {
            name: {"dtype": "F32", "shape": [2], "data_offsets": [8 * i, 8 * i + 8]}
            for i, name in enumerate(names)
        },
        bytes(8 * len(names)),
    )


def index(total_size: int = 16, **weight_map: str) -> bytes:
    return json.dumps({"metadata": {"total_size": total_size}, "weight_map": weight_map}).encode()


def shard(number: int, count: int = 2, stem: str = "model") -> str:
    return f"{stem}-{number:05}-of-{count:05}.safetensors"


INDEX = "model.safetensors.index.json"
SHARDS = {
    INDEX: index(a=shard(1), b=shard(2)),
    shard(1): weights("a"),
    shard(2): weights("b"),
    "config.json": json.dumps(CONFIG).encode(),
}


def folder_of(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).write_bytes(content)
    return path


def names_in(checkpoint: Checkpoint) -> list[str]:
    return [name for name, _ in checkpoint.shards]


def test_one_file(tmp_path: Path) -> None:
    config = json.dumps(CONFIG).encode()
    folder_of(tmp_path, {"model.safetensors": weights("a", "b"), "config.json": config})
    found = read_checkpoint(str(tmp_path))
    assert names_in(found) == ["model.safetensors"]
    assert list(found.tensors.names()) == ["a", "b"]
    assert found.config == CONFIG
    assert found.notes == ()
    assert found.other == {}
    conserve(found)


def test_shards_with_an_index(tmp_path: Path) -> None:
    found = read_checkpoint(folder_of(tmp_path, SHARDS))
    assert names_in(found) == [shard(1), shard(2)]
    assert found.tensors.total_bytes == 16
    assert found.notes == ()
    conserve(found)


def test_a_missing_config_is_noted(tmp_path: Path) -> None:
    found = read_checkpoint(folder_of(tmp_path, {"model.safetensors": GOOD}))
    assert found.config is None
    assert found.notes == ("there is no config.json beside the weights",)


def test_quantization_files_are_kept_by_name(tmp_path: Path) -> None:
    files = {"hf_quant_config.json": b'{"a": 1}', "quantize_config.json": b'{"bits": 4}'}
    found = read_checkpoint(folder_of(tmp_path, SHARDS | files))
    assert found.other == {"hf_quant_config.json": {"a": 1}, "quantize_config.json": {"bits": 4}}


def test_a_file_by_itself(tmp_path: Path) -> None:
    folder_of(tmp_path, SHARDS)
    found = read_checkpoint(tmp_path / shard(2))
    assert list(found.tensors.names()) == ["b"]
    assert found.config == CONFIG
    assert found.notes == (f"{shard(2)} is shard 2 of 2; only it is counted",)
    conserve(found)


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({INDEX: index(99, a=shard(1), b=shard(2))}, "weights take 99 bytes; the shards hold 16"),
        ({shard(2): weights("b", "c")}, "1 tensors are in the shards but not in"),
        ({shard(2): weights("b", "a")}, "1 tensors are copies"),
        ({"consolidated.safetensors": weights("x")}, "not counted: consolidated.safetensors"),
        ({"z.safetensors": b"not even read"}, "not counted: z.safetensors"),
        ({"model.safetensors": weights("a", "b")}, "model.safetensors is counted, and not"),
    ],
    ids=["total-size", "unlisted", "copy", "consolidated", "odd-file", "single-and-index"],
)
def test_what_is_odd_is_noted(tmp_path: Path, changes: dict[str, bytes], note: str) -> None:
    found = read_checkpoint(folder_of(tmp_path, SHARDS | changes))
    assert any(note in line for line in found.notes), found.notes
    assert {"a", "b"} <= set(found.tensors.names())


def test_unlisted_tensors_count_and_copies_do_not(tmp_path: Path) -> None:
    found = read_checkpoint(folder_of(tmp_path, SHARDS | {shard(2): weights("b", "a", "c")}))
    assert sorted(found.tensors.names()) == ["a", "b", "c"]


def test_an_index_that_lists_the_single_file(tmp_path: Path) -> None:
    files = {INDEX: index(8, a="model.safetensors"), "model.safetensors": weights("a")}
    found = read_checkpoint(folder_of(tmp_path, files))
    assert names_in(found) == ["model.safetensors"]
    assert len(found.notes) == 1


def test_a_single_file_wins_over_a_stale_index(tmp_path: Path) -> None:
    files = {INDEX: SHARDS[INDEX], "model.safetensors": weights("q")}
    assert list(read_checkpoint(folder_of(tmp_path, files)).tensors.names()) == ["q"]


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        ((shard(1), shard(2)), (shard(1), shard(2))),
        ((shard(1), shard(2), "extra.safetensors"), (shard(1), shard(2))),
        ((shard(1, 1), shard(1, 1, "model.fp16")), (shard(1, 1),)),
        (("weights.safetensors",), ("weights.safetensors",)),
        (("weights.safetensors", "consolidated.safetensors"), ("weights.safetensors",)),
        (("consolidated.safetensors",), ("consolidated.safetensors",)),
        (
            (shard(1, 2, "consolidated"), shard(2, 2, "consolidated")),
            (shard(1, 2, "consolidated"), shard(2, 2, "consolidated")),
        ),
        (("model.safetensors", "consolidated.safetensors"), ("model.safetensors",)),
        (("model.safetensors", shard(1, 1)), ("model.safetensors",)),
    ],
)
def test_files_without_an_index(
    tmp_path: Path, files: tuple[str, ...], chosen: tuple[str, ...]
) -> None:
    found = read_checkpoint(folder_of(tmp_path, {name: weights(name) for name in files}))
    assert tuple(names_in(found)) == chosen
    assert set(found.tensors.names()) == set(chosen)
    left = set(files) - set(chosen)
    assert all(any(name in note for note in found.notes) for name in left)
    conserve(found)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ((), "holds no .safetensors file"),
        (("config.json",), "holds no .safetensors file"),
        (("pytorch_model.bin", "config.json"), "pickle files can run code and are never opened"),
        (("model.pt",), "convert them to safetensors"),
        (("consolidated.00.pth",), "convert them to safetensors"),
        (("model.gguf", "config.json"), "holds no .safetensors file"),
        (("model_index.json", "model.safetensors"), "is a diffusers pipeline"),
        (("adapter_config.json", "adapter_model.safetensors"), "is an adapter"),
        (("adapter_config.json", "adapter_model.bin"), "is an adapter"),
        ((shard(1), shard(3, 3)), "holds shards of several models"),
        ((shard(1, 3), shard(3, 3)), "holds 2 of 3 shards, and number 2 is the first"),
        ((shard(1, 99999),), "holds 1 of 99999 shards, and number 2 is the first"),
        ((shard(1), "model-1-of-2.safetensors"), "holds shard 1 twice"),
        (("x.safetensors", "y.safetensors"), "(x.safetensors, y.safetensors); name one of them"),
        ([f"{c}.safetensors" for c in "vwxyz"], "x.safetensors and 2 more); name one of them"),
    ],
)
def test_folders_that_are_no_model(tmp_path: Path, files: tuple[str, ...], message: str) -> None:
    folder_of(tmp_path, dict.fromkeys(files, GOOD))
    with pytest.raises(ModelReferenceError) as caught:
        read_checkpoint(tmp_path)
    assert message in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_one_tensor_in_two_shards_without_an_index(tmp_path: Path) -> None:
    folder_of(tmp_path, {shard(1): weights("a"), shard(2): weights("a")})
    with pytest.raises(FileFormatError, match="tensor 'a' is in model-00002-of-00002"):
        read_checkpoint(tmp_path)


def test_missing_shards_are_counted_and_named(tmp_path: Path) -> None:
    listing = index(a=shard(1, 3), b=shard(2, 3), c=shard(3, 3))
    folder_of(tmp_path, {INDEX: listing, shard(1, 3): weights("a")})
    with pytest.raises(ModelReferenceError) as caught:
        read_checkpoint(tmp_path)
    assert f"lists 3 shards, of which 2 are missing, the first being {shard(2, 3)}" in str(
        caught.value
    )


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model.bin"
    with pytest.raises(ModelReferenceError, match="pickle files can run code"):
        read_checkpoint(path)


def test_a_path_that_leads_nowhere(tmp_path: Path) -> None:
    with pytest.raises(ModelReferenceError, match="does not exist"):
        read_checkpoint(tmp_path / "nothing")
    with pytest.raises(ModelReferenceError):
        read_checkpoint("a\x00b")


def hub_cache(root: Path) -> Path:
    """A folder as huggingface_hub lays it out: every file a link into ../../blobs."""
    repo = root / "models--org--name"
    snapshot = repo / "snapshots" / "0123abcd"
    snapshot.mkdir(parents=True)
    (repo / "blobs").mkdir()
    for number, (name, content) in enumerate(SHARDS.items()):
        (repo / "blobs" / f"sha{number}").write_bytes(content)
        (snapshot / name).symlink_to(f"../../blobs/sha{number}")
    return snapshot


def test_a_hub_cache(tmp_path: Path) -> None:
    snapshot = hub_cache(tmp_path)
    found = read_checkpoint(snapshot)
    assert found.config == CONFIG
    conserve(found)
    alias = tmp_path / "alias"
    alias.symlink_to(snapshot)
    assert read_checkpoint(alias).tensors == found.tensors


@pytest.mark.parametrize("name", [shard(1), "config.json", INDEX, "quantize_config.json"])
def test_links_out_of_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b'{"token": "x"}')
    snapshot = hub_cache(tmp_path)
    (snapshot / name).unlink(missing_ok=True)
    (snapshot / name).symlink_to("../../../secret")
    with pytest.raises(FileFormatError, match="is a link that leads out of its folder"):
        read_checkpoint(snapshot)


@pytest.mark.parametrize("name", INDEXES)
def test_refuses_hostile_indexes(tmp_path: Path, name: str) -> None:
    content, problem = INDEXES[name]
    folder_of(tmp_path, {SHARD: GOOD, INDEX: content})
    best, message = float("inf"), ""
    for _ in range(3):
        start = time.process_time()
        with pytest.raises(InputError) as caught:
            read_checkpoint(tmp_path)
        best, message = min(best, time.process_time() - start), str(caught.value)
    assert isinstance(caught.value, FileFormatError | ModelReferenceError)
    assert problem in message
    assert str(tmp_path / INDEX) in message
    assert message.isprintable()
    assert len(message) < 400 + len(str(tmp_path))
    assert best < 0.5  # far from what a list that is walked for every shard would take
