"""Models on this machine's disk: a config.json, a folder of safetensors, or a GGUF file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from weighbridge.errors import ConfigError
from weighbridge.model.checkpoint import Checkpoint, read_checkpoint, read_config
from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families import read_model
from weighbridge.records import replace

WEIGHT_FILES = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".index.json")


def from_config(text: str, path: str) -> Model:
    """The facts of a config.json by itself."""
    model = read_model(Config(read_config(Path(path)), text))
    return replace(model, id=text, source=f"{text}")


def from_checkpoint(text: str, path: str) -> Model:
    """The facts of a folder or a file of safetensors: shapes from config, bytes from headers.

    A folder that holds a config.json and no weights at all is read as that config.
    """
    folder = Path(path)
    if _only_config(folder):
        return from_config(str(folder / "config.json"), str(folder / "config.json"))
    checkpoint = read_checkpoint(folder)
    if checkpoint.config is None:
        raise ConfigError(
            f"{text}: there is no config.json beside the weights "
            f"({checkpoint.tensors.total_bytes:,} bytes in {len(checkpoint.tensors):,} tensors), "
            "so layers and heads are not known; put the model's config.json there"
        )
    model = read_model(Config(checkpoint.config, f"{text}/config.json"))
    quantization = model.quantization or _quantization_beside(checkpoint)
    return replace(
        model,
        id=text,
        quantization=quantization,
        stored=checkpoint.tensors,
        stored_files=tuple(name for name, _ in checkpoint.shards),
        basis="header",
        notes=(*model.notes, *checkpoint.notes, *_differences(model, checkpoint, quantization)),
        source=f"headers of {', '.join(name for name, _ in checkpoint.shards[:3])}"
        + (f" and {len(checkpoint.shards) - 3} more" if len(checkpoint.shards) > 3 else ""),
    )


def from_gguf(text: str, path: str) -> Model:
    """The facts of a GGUF file, with all of its parts where it is one of several."""
    from weighbridge.model.families.gguf import read_gguf_model
    from weighbridge.model.gguf_splits import read_gguf

    return read_gguf_model(read_gguf(path), text)


def _only_config(folder: Path) -> bool:
    return (
        folder.is_dir()
        and (folder / "config.json").is_file()
        and not any(each.name.endswith(WEIGHT_FILES) for each in folder.iterdir())
    )


def _quantization_beside(checkpoint: Checkpoint) -> dict[str, Any] | None:
    """The quantization that ModelOpt, GPTQ and AWQ tools write beside config.json."""
    for name, content in checkpoint.other.items():
        if not isinstance(content, dict):
            continue
        if name == "hf_quant_config.json":
            inner = content.get("quantization")
            return {"quant_method": "modelopt", **(inner if isinstance(inner, dict) else content)}
        method = "awq" if "w_bit" in content else "gptq"
        return {"quant_method": method, **content}
    return None


def _differences(model: Model, checkpoint: Checkpoint, quantization: object) -> tuple[str, ...]:
    """Say where the files hold other tensors than the architecture has."""
    if quantization:
        return ()
    known = dict(model.named_parameters())
    stored = {tensor.name: tensor.shape for tensor in checkpoint.tensors}
    missing = [name for name in known if name not in stored]
    extra = [name for name in stored if name not in known]
    reshaped = [name for name in known if name in stored and stored[name] != known[name]]
    notes = []
    if reshaped:
        notes.append(
            f"tensors of another shape than config.json says: {_some(reshaped)}; "
            "the headers' bytes are used"
        )
    if missing:
        notes.append(f"tensors of the architecture that are not in the files: {_some(missing)}")
    if extra:
        notes.append(f"tensors in the files that are no parameters: {_some(extra)}")
    return tuple(notes)


def _some(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names):,}, such as {names[0]}"
