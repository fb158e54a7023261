"""What the user typed → what it refers to.

A path wins if it exists; then the catalogue; then, where it is spelt ``org/name``, the Hugging
Face Hub; then a bare size. ``hf:`` before a name asks the Hub and nothing else. A name that is
close to one of the catalogue is never read as a bare size: ``lama-3.1-8b`` is a misspelling, not
an 8B model.
"""

from __future__ import annotations

import re
from os.path import isdir
from typing import TYPE_CHECKING, Literal, NamedTuple

from weighbridge.errors import ModelReferenceError
from weighbridge.model import catalog
from weighbridge.model.access import access, local_path

if TYPE_CHECKING:
    from weighbridge.model.facts import Model

MISSPELLING = 0.8
HUB_PREFIX = "hf:"
# huggingface_hub, utils/_validators.py: at most 96 characters, no -- and no .., no dot or dash at
# either end; a revision is a branch, a tag, refs/pr/N or a commit.
_REPO = (
    r"(?=.{1,96}$)(?!.*(?:--|\.\.))(?!.*\.git$)[A-Za-z0-9_](?:[\w.-]*\w)?"
    r"(?:/[A-Za-z0-9_](?:[\w.-]*\w)?)?"
)
_REVISION = r"(?=.{1,200}$)(?!.*\.\.)\w[\w.-]*(?:/\w[\w.-]*)*"
# A file of the repository, at its root or one folder deep, or what its name says: Q4_K_M.
_FILE = r"(?=.{1,255}$)(?!.*\.\.)(?:\w[\w.-]*/)?\w[\w.+-]*\.gguf"
_TAG = r"\w[\w.+-]{0,99}"


class Repo(NamedTuple):
    """A repository of the Hub and a revision of it: a branch, a tag or a commit.

    ``file`` is one of its GGUF files, or what sets one apart in its name, such as Q4_K_M.
    """

    id: str
    revision: str = "main"
    file: str | None = None


class Reference(NamedTuple):
    """A resolved name: the text as typed, its kind, and what it points at."""

    text: str
    kind: Literal[
        "folder", "config", "file", "gguf", "catalogue", "size", "hub", "adapted", "given"
    ]
    path: str | None = None
    row: catalog.Row | None = None
    size: tuple[str, int] | None = None
    repo: Repo | None = None
    parts: tuple[str, str] | None = None
    given: Model | None = None


def resolve(text: str) -> Reference:
    """The :class:`Reference` of a name, a path, or a size.

    Raises :class:`ModelReferenceError` with the closest names on a miss.
    """
    text = text.strip()
    if not text or "\0" in text or len(text) > 4096:
        raise ModelReferenceError("no model was named; give a name such as llama-3.1-8b, or a path")
    if text in access().given:
        return Reference(text, "given", given=access().given[text])
    if text.startswith(HUB_PREFIX):
        return Reference(text, "hub", repo=_asked_of_the_hub(text))
    path = local_path(text)
    if path is not None:
        return _local(text, path)
    if _names_an_adapter(text):
        base, _, adapter = text.rpartition("+")
        return Reference(text, "adapted", parts=(base, adapter))
    repo = parse_repo(text)
    on_hub = repo is not None and "/" in repo.id
    if looks_like_path(text) and not (on_hub and repo is not None and repo.file is not None):
        raise ModelReferenceError(
            f"{text!r} does not exist; give a folder, a config.json or a name"
        )
    row = catalog.find(text)
    if row is not None:
        return Reference(text, "catalogue", row=row)
    return Reference(text, "hub", repo=repo) if on_hub else _size(text)


def _size(text: str) -> Reference:
    """A bare size, unless it is a misspelling."""
    from weighbridge.model.assumed import parse_size

    size = parse_size(text)
    if size is not None and not _misspelt(text, size[0]):
        return Reference(text, "size", size=size)
    raise ModelReferenceError(_miss(text, catalog.close_names(text)))


def parse_repo(text: str) -> Repo | None:
    """``org/name``, with ``@revision`` and a GGUF file where one is named; None for all else.

    >>> parse_repo("Qwen/Qwen3-8B@main")
    Repo(id='Qwen/Qwen3-8B', revision='main', file=None)
    >>> parse_repo("unsloth/Qwen3-8B-GGUF:Q4_K_M").file
    'Q4_K_M'
    >>> parse_repo("unsloth/Qwen3-8B-GGUF/Qwen3-8B-Q4_K_M.gguf").id
    'unsloth/Qwen3-8B-GGUF'
    >>> parse_repo("../models/Qwen3-8B")
    """
    text, colon, tag = text.partition(":")
    name, at, revision = text.partition("@")
    file: str | None = tag if colon else None
    if name.lower().endswith(".gguf") and name.count("/") >= 2 and not colon:
        owner, short, file = name.split("/", 2)
        name = f"{owner}/{short}"
    # Compiled only where they are asked for: most names are answered before.
    if not re.fullmatch(_REPO, name, re.ASCII):
        return None
    if at and not re.fullmatch(_REVISION, revision, re.ASCII):
        return None
    pattern = _TAG if colon else _FILE
    if file is not None and not re.fullmatch(pattern, file, re.ASCII | re.IGNORECASE):
        return None
    return Repo(name, revision or "main", file)


def _asked_of_the_hub(text: str) -> Repo:
    repo = parse_repo(text.removeprefix(HUB_PREFIX))
    if repo is None:
        raise ModelReferenceError(
            f"{text[:120]!r} is no repository of the Hub; write hf:org/name, hf:org/name@revision "
            "or, of a GGUF repository, hf:org/name:Q4_K_M"
        )
    return repo


def _names_an_adapter(text: str) -> bool:
    """``BASE+ADAPTER``: the adapter is a folder that exists, or a repository of the Hub."""
    base, _, adapter = text.rpartition("+")
    if not base or not adapter:
        return False
    repo = parse_repo(adapter.removeprefix(HUB_PREFIX))
    folder = local_path(adapter)
    return (folder is not None and isdir(folder)) or (repo is not None and "/" in repo.id)


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
