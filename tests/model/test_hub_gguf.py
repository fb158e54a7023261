"""GGUF files of a repository of the Hub: which one is read, and how much of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import gguf_hybrids
from gguf_files import file_of, write
from gguf_models import PROJECTOR, TINY, Metadata, Tensors, split
from model.hub_server import COMMIT, REPO, FakeHub, Part, prepare, serving
from weighbridge.errors import HubError, InputError, ModelReferenceError
from weighbridge.model.hub_files import FIRST_BLOCK
from weighbridge.model.load import load_model

constants = pytest.importorskip(
    "huggingface_hub.constants", reason="huggingface_hub is not installed (weighbridge[hub])"
)


@pytest.fixture
def point(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[FakeHub], None]:
    """Make a server the endpoint."""
    prepare(monkeypatch, tmp_path / "cache")
    return lambda hub: monkeypatch.setattr(constants, "ENDPOINT", hub.url)


def bytes_of(file: tuple[Metadata, Tensors]) -> Part:
    return Part(*file_of(*file))


REPOSITORY = {
    "README.md": b"",
    "config.json": b"{}",
    "tiny-Q4_0.gguf": bytes_of(TINY),
    "tiny-Q8_0.gguf": bytes_of(TINY),
    "granite-IQ4_NL.gguf": bytes_of(gguf_hybrids.granite_40_h_tiny()),
    "mmproj-F16.gguf": bytes_of(PROJECTOR),
    **{f"BF16/{name}": bytes_of(file) for name, file in split(TINY, "tiny-BF16", 2).items()},
}


@pytest.mark.parametrize(
    "name",
    [
        f"hf:{REPO}:Q8_0",
        f"{REPO}:q8_0",
        f"{REPO}/tiny-Q8_0.gguf",
        f"hf:{REPO}/tiny-Q8_0.gguf",
        f"hf:{REPO}@main:Q8_0",
        f"hf:{REPO}:BF16",
        f"{REPO}/BF16/tiny-BF16-00002-of-00002.gguf",
    ],
)
def test_one_file_of_a_repository(
    point: Callable[[FakeHub], None], tmp_path: Path, name: str
) -> None:
    there = load_model(str(write(tmp_path / "model.gguf", *TINY)))
    with serving(REPOSITORY) as hub:
        point(hub)
        here = load_model(name)
        asked = [path for path, headers in hub.asked if "range" in headers]
    assert (here.parameters, here.layers, here.id) == (there.parameters, there.layers, name)
    assert here.basis == "header"
    assert f"on 127.0.0.1 at commit {COMMIT[:12]}" in here.source
    assert len(asked) == (2 if "BF16" in name else 1)


def test_a_hybrid_of_seven_gigabytes_costs_its_header(point: Callable[[FakeHub], None]) -> None:
    with serving(REPOSITORY) as hub:
        point(hub)
        model = load_model(f"hf:{REPO}:IQ4_NL")
        assert model.parameters == 6_939_037_248
        assert hub.sent < 2 * FIRST_BLOCK


def test_a_path_that_leads_nowhere_is_said_too(point: Callable[[FakeHub], None]) -> None:
    with serving({}) as hub:
        point(hub)
        with pytest.raises(ModelReferenceError, match="nor is there such a file on this machine"):
            load_model("models/llama/model.gguf")


def test_several_without_a_choice_are_listed(point: Callable[[FakeHub], None]) -> None:
    with serving(REPOSITORY) as hub:
        point(hub)
        for name in (REPO, f"hf:{REPO}", f"hf:{REPO}:Q2_K"):
            with pytest.raises(ModelReferenceError, match="BF16, IQ4_NL, Q4_0, Q8_0"):
                load_model(name)
        assert not any("range" in headers for _, headers in hub.asked)


@pytest.mark.parametrize(
    ("start", "size", "says"),
    [
        (b"version https://git-lfs", 10**6, "Git LFS pointer"),
        (b"GGUF\x03" + b"\0" * 3 + b"\xff" * 16, 10**6, "claims"),
        (b"", 0, "too few"),
    ],
)
def test_a_lying_file_is_refused(
    point: Callable[[FakeHub], None], start: bytes, size: int, says: str
) -> None:
    with serving({"model.gguf": Part(start, size)}) as hub:
        point(hub)
        with pytest.raises(InputError, match=says):
            load_model(REPO)


def test_offline_the_cache_answers(
    point: Callable[[FakeHub], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with serving({}) as hub:
        point(hub)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE forbids"):
        load_model(f"hf:{REPO}:Q8_0")
    home = tmp_path / "cache" / "models--org--model"
    (home / "snapshots" / COMMIT / "BF16").mkdir(parents=True)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(COMMIT)
    write(home / "snapshots" / COMMIT / "BF16" / "tiny-BF16.gguf", *TINY)
    found = load_model(f"hf:{REPO}:BF16")
    assert "read from the cache" in found.notes[0]
    assert found.parameters > 0
