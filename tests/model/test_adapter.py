"""Adapters: a term beside the base's weights, and a base that no file can choose on the disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import weighbridge as wb
from hostile.headers import packed
from weighbridge.errors import InputError
from weighbridge.model.load import load_model

RANK = 16
BASE = "meta-llama/Llama-3.1-8B"


def lora(layers: int = 32, rank: int = RANK, hidden: int = 4096, dtype: str = "F32") -> bytes:
    """LoRA on q_proj and v_proj, as PEFT names and shapes it."""
    width = {"F32": 4, "BF16": 2}[dtype]
    header, at = {}, 0
    for layer in range(layers):
        for name, out in (("q_proj", hidden), ("v_proj", 1024)):
            for factor, shape in (("A", [rank, hidden]), ("B", [out, rank])):
                size = shape[0] * shape[1] * width
                key = f"base_model.model.model.layers.{layer}.self_attn.{name}.lora_{factor}.weight"
                header[key] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
                at += size
    return packed(header, bytes(at))


def adapter(folder: Path, base: object = BASE, raw: bytes | None = None, **more: object) -> Path:
    folder.mkdir(exist_ok=True)
    content = {"peft_type": "LORA", "r": RANK, "base_model_name_or_path": base} | more
    (folder / "adapter_config.json").write_text(json.dumps(content))
    (folder / "adapter_model.safetensors").write_bytes(lora() if raw is None else raw)
    return folder


def test_an_adapter_adds_to_its_base(tmp_path: Path) -> None:
    """6,815,744 parameters: what PEFT prints for r = 16 on q_proj and v_proj of Llama-3.1-8B."""
    plan = wb.plan(str(adapter(tmp_path / "a")), on="rtx-4090", context=4096)
    bare = wb.plan("llama-3.1-8b", on="rtx-4090", context=4096)
    assert plan.term("adapters") == 6_815_744 * 4
    assert plan.term("weights") == bare.term("weights")
    assert plan.total - bare.total == 6_815_744 * 4
    (term,) = [term for term in plan.terms if term.name == "adapters"]
    assert term.basis == "header"
    assert term.low == term.bytes == term.high
    assert "header of adapter_model.safetensors" in term.source
    assert "adapters" in str(plan)


def test_sixteen_bit_adapters_may_be_cast_to_fp32(tmp_path: Path) -> None:
    plan = wb.plan(str(adapter(tmp_path / "a", raw=lora(dtype="BF16"))))
    (term,) = [term for term in plan.terms if term.name == "adapters"]
    assert (term.low, term.bytes, term.high) == (13_631_488, 13_631_488, 27_262_976)


def test_over_two_cards_each_holds_its_layers(tmp_path: Path) -> None:
    plan = wb.plan(str(adapter(tmp_path / "a")), on="2xrtx-4090")
    shares = [sum(t.bytes for t in d.terms if t.name == "adapters") for d in plan.devices]
    assert sum(shares) == 6_815_744 * 4
    assert min(shares) > 0


def test_the_user_may_name_the_base(tmp_path: Path) -> None:
    path = adapter(tmp_path / "a", base="/somewhere/else")
    model = load_model(f"meta-llama/Llama-3.1-8B+{path}")
    assert model.parameters == 8_030_261_248
    config = tmp_path / "base"
    config.mkdir()
    from weighbridge.model import catalog

    row = catalog.find("llama-3.1-8b")
    assert row is not None
    (config / "config.json").write_text(json.dumps(row.config))
    assert wb.plan(f"{config}+{path}").term("adapters") == 6_815_744 * 4


@pytest.mark.parametrize(
    "base",
    ["..", "../secret", "./base", "/etc", "/etc/passwd", "~/x", "C:\\x", "\\\\host\\share",
     "a/../b", "a/b/c", "http://host/x", "hf:../x", "x\0y", "\x1b[31m", "", None, 7, [],
     "x" * 10_000],
)  # fmt: skip
def test_a_base_from_a_file_never_touches_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base: object
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("secret", "base", "a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text('{"model_type": "llama"}')
    folder = adapter(tmp_path / "adapter", base=base)
    import os

    opened: list[str] = []
    real = os.open

    def watched(path: object, *rest: object, **more: object) -> int:
        opened.append(str(path))
        return real(path, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", watched)
    with pytest.raises(InputError) as caught:
        load_model(str(folder))
    assert "BASE+ADAPTER" in str(caught.value)
    assert str(caught.value).isprintable()
    assert all(path.startswith(str(folder)) for path in opened), opened


def test_a_base_like_a_local_folder_is_not_read_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository's id that is a folder here too goes to the Hub, or to its refusal."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org" / "name").mkdir(parents=True)
    (tmp_path / "org" / "name" / "config.json").write_text("{}")
    folder = adapter(tmp_path / "adapter", base="org/name")
    asked = []

    def answer(text: str, repo: object, *, adapters: bool) -> object:
        asked.append((text, adapters))
        return load_model("llama-3.1-8b")

    monkeypatch.setattr("weighbridge.model.remote.from_hub", answer)
    assert load_model(str(folder)).parameters == 8_030_261_248
    load_model(str(adapter(tmp_path / "b", base="org/name", revision="v1")))
    assert asked == [("org/name", False), ("org/name@v1", False)]
    with pytest.raises(InputError, match="no revision"):
        load_model(str(adapter(tmp_path / "c", base="org/name", revision="../x")))


def test_an_adapter_is_no_base(tmp_path: Path) -> None:
    first, second = adapter(tmp_path / "a"), adapter(tmp_path / "b")
    with pytest.raises(InputError, match="has an adapter already"):
        load_model(f"{first}+{second}")


def test_the_wrong_base_is_said(tmp_path: Path) -> None:
    model = load_model(str(adapter(tmp_path / "a", base="meta-llama/Llama-3.2-1B")))
    said = " ".join(model.notes)
    assert "do not fit the matrices of meta-llama/Llama-3.2-1B" in said
    assert "belong to no matrix" in said


def test_a_pickled_adapter_counts_with_its_size(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "a")
    (folder / "adapter_model.safetensors").unlink()
    (folder / "adapter_model.bin").write_bytes(bytes(1_000_000))
    plan = wb.plan(str(folder))
    (term,) = [term for term in plan.terms if term.name == "adapters"]
    assert (term.bytes, term.basis) == (1_000_000, "assumed")


@pytest.mark.parametrize("missing", ["adapter_model.safetensors", "adapter_config.json"])
def test_half_an_adapter(tmp_path: Path, missing: str) -> None:
    folder = adapter(tmp_path / "a")
    (folder / missing).unlink()
    with pytest.raises(InputError):
        load_model(f"gpt2+{folder}")
