"""Where the weights come from, and what that costs of the network and of the disk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from weighbridge.errors import ModelReferenceError, RequestError
from weighbridge.model.reference import Reference, Repo, resolve

FILES = (".safetensors", ".json", ".txt", ".model", ".jinja")
CODE = (".py",)


class Source(NamedTuple):
    """``kind`` is ``folder``, ``hub`` or ``random``; bytes to download, and to write to disk."""

    kind: str
    name: str
    folder: str | None = None
    repo: Repo | None = None
    commit: str | None = None
    files: tuple[str, ...] = ()
    download: int = 0
    disk: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it, without a path of this machine's cache."""
        return {"kind": self.kind, "download_bytes": self.download, "disk_bytes": self.disk,
                "commit": self.commit}  # fmt: skip


def source_of(name: str, *, random: bool, trusted: str | None, stored: int) -> Source:
    """The source of a model's weights; nothing is downloaded yet.

    ``stored`` is what random weights would take on the disk. ``trusted`` must be the very name.
    """
    if trusted is not None and trusted != name:
        raise RequestError(
            f"--trust-remote-code {trusted[:80]} is not the model that is run; name {name[:80]} "
            "to run the code that it brings"
        )
    if random:
        return Source("random", name, disk=stored)
    reference = resolve(name)
    if reference.kind == "folder":
        return _folder(name, reference)
    repo = reference.repo
    if reference.row is not None:
        repo = Repo(reference.row.id)
    if repo is None or reference.kind in {"gguf", "file", "adapted"}:
        raise ModelReferenceError(
            f"{name[:80]} has no weights that Transformers loads; give a folder with safetensors "
            "or org/name, or add --random-weights to run its shape"
        )
    return _on_hub(name, repo, code=trusted is not None)


def _folder(name: str, reference: Reference) -> Source:
    folder = reference.path or reference.text
    if not any(each.endswith(".safetensors") for each in os.listdir(folder)):
        raise ModelReferenceError(
            f"{name[:80]} holds no safetensors; other kinds of weights can run code when they are "
            "read and are not loaded"
        )
    return Source("folder", name, folder=os.path.abspath(folder))


def _on_hub(name: str, repo: Repo, *, code: bool) -> Source:
    """The files that will be loaded, at one commit; those in the cache cost nothing."""
    from weighbridge.model.remote import repository_files

    files, _ = repository_files(repo)
    if files.path is not None:
        return Source("folder", name, folder=str(files.path), repo=repo)
    listing: Any = files
    ends = (*FILES, *(CODE if code else ()))
    wanted = tuple(sorted(each for each in files.names() if each.endswith(ends)))
    if not any(each.endswith(".safetensors") for each in wanted):
        raise ModelReferenceError(f"{name[:80]} holds no safetensors; nothing else is loaded")
    size = sum(listing.size(each) for each in wanted)
    return Source("hub", name, repo=repo, commit=listing.commit, files=wanted, download=size,
                  disk=size)  # fmt: skip


def fetch(source: Source) -> str:
    """The folder of a source that is not random, downloaded where it must be."""
    if source.kind == "folder" and source.folder is not None:
        return source.folder
    from weighbridge.model.hub import snapshot

    assert source.repo is not None
    assert source.commit is not None
    return snapshot(source.repo.id, source.commit, source.files)


def has_tokenizer(names: Mapping[str, Any] | list[str]) -> bool:
    """Whether files of a folder hold a tokenizer."""
    return bool({"tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt"} & {*names})
