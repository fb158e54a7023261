"""What the user typed → what it refers to.

A path wins if it exists; then the catalogue; then a bare size. A name that is close to one of the
catalogue is never read as a bare size: ``lama-3.1-8b`` is a misspelling, not an 8B model.
"""

from __future__ import annotations

from os.path import exists, expanduser, isdir
from typing import Literal, NamedTuple

from weighbridge.errors import ModelReferenceError
from weighbridge.model import catalog

MISSPELLING = 0.8


class Reference(NamedTuple):
    """A resolved name: the text as typed, its kind, and what it points at."""

    text: str
    kind: Literal["folder", "config", "file", "gguf", "catalogue", "size"]
    path: str | None = None
    row: catalog.Row | None = None
    size: tuple[str, int] | None = None


def resolve(text: str) -> Reference:
    """The :class:`Reference` of a name, a path, or a size.

    Raises :class:`ModelReferenceError` with the closest names on a miss.
    """
    text = text.strip()
    if not text or "\0" in text or len(text) > 4096:
        raise ModelReferenceError("no model was named; give a name such as llama-3.1-8b, or a path")
    path = expanduser(text)
    if exists(path):
        return _local(text, path)
    if looks_like_path(text):
        raise ModelReferenceError(
            f"{text!r} does not exist; give a folder, a config.json or a name"
        )
    row = catalog.find(text)
    if row is not None:
        return Reference(text, "catalogue", row=row)
    from weighbridge.model.assumed import parse_size

    size = parse_size(text)
    close = catalog.close_names(text)
    if size is not None and not _misspelt(text, size[0]):
        return Reference(text, "size", size=size)
    raise ModelReferenceError(_miss(text, close))


def looks_like_path(text: str) -> bool:
    """Whether the user meant a file: it starts like one, or ends like one."""
    return text.startswith((".", "/", "~", "\\")) or text.lower().endswith(
        (".json", ".safetensors", ".gguf", ".bin", ".pt")
    )


def _local(text: str, path: str) -> Reference:
    if isdir(path):
        return Reference(text, "folder", path=path)
    if path.lower().endswith(".safetensors"):
        return Reference(text, "file", path=path)
    if path.lower().endswith(".json"):
        return Reference(text, "config", path=path)
    if path.lower().endswith(".gguf"):
        return Reference(text, "gguf", path=path)
    raise ModelReferenceError(
        f"{text!r} is neither a folder, a config.json, a .safetensors nor a .gguf file; "
        "these are the local models that can be read"
    )


def _misspelt(text: str, name: str) -> bool:
    return bool(name) and bool(catalog.close_names(text, cutoff=MISSPELLING))


def _miss(text: str, close: list[str]) -> str:
    shown = text if len(text) <= 80 else text[:77] + "…"
    hint = f"did you mean {' or '.join(close)}" if close else "see `weigh models`"
    return (
        f"model {shown!r} is not in the catalogue; {hint}, or give a folder, a config.json or a "
        "bare size such as 7B"
    )
