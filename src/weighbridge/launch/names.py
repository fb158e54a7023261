"""The model that a command names: a path, a repository, a file elsewhere, a tag of Ollama."""

from __future__ import annotations

import re
from os.path import basename
from typing import NamedTuple

from weighbridge.errors import InputError, LaunchError
from weighbridge.model.access import local_path

# model-00001-of-00003.gguf, Qwen3-8B-UD-Q4_K_M.gguf, gemma-3-4b-it-q4_0.gguf
_SHARD = re.compile(r"-\d{5}-of-\d{5}$")
_QUANTIZED = re.compile(
    r"[-._](?:UD[-_])?((?:I?Q\d\w*|TQ\d_\d|BF16|F16|F32|FP16|FP32|MXFP4(?:_MOE)?))$", re.I
)
_SPOKEN = {"f16": "fp16", "f32": "fp32"}
_TAIL = re.compile(r"[-_](instruct|chat|it|hf|gguf|text)$", re.I)


class Named(NamedTuple):
    """A model that can be looked up, the format of its weights where the name says it, and why."""

    model: str
    weights: str | None = None
    note: str = ""


def hub_model(text: str, revision: str = "") -> Named:
    """A model as vLLM, SGLang and TensorRT-LLM name it: a folder or ``org/name``."""
    from weighbridge.model import catalog

    if local_path(text) is not None:
        return Named(text)
    if text.startswith((".", "/", "~")):
        found = _by_name(basename(text.rstrip("/")))
        if found is None:
            raise LaunchError(
                f"{text[:200]!r} is not on this machine and its name is no model of the catalogue; "
                "give org/name, or a folder that is here"
            )
        return Named(found, None, f"{text} is not on this machine; read as {found} by its name")
    if revision and "@" not in text and catalog.find(text) is None:
        return Named(f"{text}@{revision}")
    return Named(text)


def gguf_model(text: str) -> Named:
    """A GGUF file; one that is not here is looked up by its name, if that means one model."""
    if local_path(text) is not None:
        return Named(text)
    stem = _SHARD.sub("", re.sub(r"\.gguf$", "", basename(text), flags=re.I))
    base, weights = split_quantization(stem)
    found = _by_name(base)
    if found is None:
        raise LaunchError(
            f"{text[:200]!r} is not on this machine, and the name {base[:80]!r} is no model of the "
            "catalogue; give a file that is here, or name the model before `--`"
        )
    if weights is None:
        raise LaunchError(
            f"{text[:200]!r} is not on this machine, and its name does not say how its weights are "
            f"stored; add --weights q4_k_m (or what it holds) to read it as {found}"
        )
    note = f"{text} is not on this machine; read by its name as {found} in {weights}"
    return Named(found, weights, note)


def gguf_repository(text: str) -> Named:
    """``org/name-GGUF:Q4_K_M`` as llama.cpp's ``-hf`` takes it (Q4_K_M where none is named)."""
    repo, _, tag = text.partition(":")
    name = basename(repo)
    base, stated = split_quantization(re.sub(r"[-_]gguf$", "", name, flags=re.I))
    found = _by_name(base) or _by_name(base.partition("_")[2])
    if found is None:
        return Named(text)  # a repository of GGUF files, whose headers the Hub gives
    weights = format_named(tag) or stated or "q4_k_m"
    return Named(found, weights, f"{text} read by its name as {found} in {weights}")


def ollama_model(text: str) -> Named:
    """``llama3.1:8b-instruct-q4_K_M`` as Ollama's library names it (Q4_K_M where none is named)."""
    if text.startswith(("hf.co/", "huggingface.co/")):
        return gguf_repository(text.partition("/")[2])
    if local_path(text) is not None or text.lower().endswith(".gguf"):
        return gguf_model(text)
    name, _, tag = text.rpartition("/")[2].partition(":")
    tag = "" if tag == "latest" else tag
    base, stated = split_quantization(f"{name} {tag}".strip())
    from weighbridge.model import catalog

    found = _by_name(base)
    if found is None:
        raise LaunchError(
            f"{text[:120]!r} is no model of the catalogue by that name; name it before `--`: "
            "weigh MODEL --on CARD -- ollama serve"
        )
    row = catalog.find(found)
    native = row is not None and "quantization_config" in row.config
    weights = stated or (None if native else "q4_k_m")
    said = f" in {weights}" + ("" if stated else ", the library's default") if weights else ""
    return Named(found, weights, f"{text} read as {found}{said}")


def split_quantization(stem: str) -> tuple[str, str | None]:
    """``Qwen3-8B-Q4_K_M`` → (``Qwen3-8B``, ``q4_k_m``)."""
    match = _QUANTIZED.search(stem)
    if match is None:
        return stem, None
    known = format_named(match[1])
    return (stem[: match.start()], known) if known else (stem, None)


def format_named(text: str) -> str | None:
    """The format of weights that a name means; None where it is none."""
    from weighbridge.formats import find_format

    folded = text.lower().removeprefix("ud-")
    try:
        return find_format(_SPOKEN.get(folded, folded)).name if text else None
    except InputError:
        # Unsloth's dynamic mixtures stand between the sizes of llama.cpp's own.
        plain = re.sub(r"_x?xl$", "_m", folded)
        return None if plain == folded else format_named(plain)


def _by_name(text: str) -> str | None:
    """The one model of the catalogue that a name means, with or without ``instruct``."""
    from weighbridge.model import catalog

    name = text.strip()
    for _ in range(4):
        row = catalog.find(name) if name else None
        if row is not None:
            return row.id
        shorter = _TAIL.sub("", re.sub(r"^Meta-", "", name, flags=re.I))
        if shorter == name:
            return None
        name = shorter
    return None
