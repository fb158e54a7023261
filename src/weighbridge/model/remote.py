"""A repository of the Hugging Face Hub → its facts, from the Hub or from its cache on disk."""

from __future__ import annotations

from pathlib import Path

from weighbridge.errors import HubError, HubUnreachable, ModelReferenceError
from weighbridge.model import catalog
from weighbridge.model.bounded import label
from weighbridge.model.facts import Model
from weighbridge.model.files import Files, Folder
from weighbridge.model.hub import Hub
from weighbridge.model.hub_files import Repository, cached_folder
from weighbridge.model.hub_rules import LIMITS, Limits
from weighbridge.model.local import from_files
from weighbridge.model.reference import Repo
from weighbridge.records import replace


def from_hub(text: str, repo: Repo, limits: Limits = LIMITS, *, adapters: bool = True) -> Model:
    """The facts of a repository: its config, and its headers by reads of a few bytes.

    Without a network the cache of huggingface_hub answers, where it holds the files. ``adapters``
    says whether it may be an adapter.
    """
    files, note = repository_files(repo, limits)
    try:
        model = from_files(text, files, adapters=adapters, file=repo.file)
    except HubUnreachable as unreachable:
        folder = cached_folder(Hub(limits, repo.id).cache, repo.id, repo.revision)
        if folder is None:
            raise
        model = from_files(text, Folder(folder), adapters=adapters, file=repo.file)
        note = _cached(folder, str(unreachable))
    return replace(model, notes=(note, *model.notes)) if note else model


def repository_files(repo: Repo, limits: Limits = LIMITS) -> tuple[Files, str]:
    """The files of a repository, and what to say where they come from the cache."""
    try:
        return _open(repo, limits)
    except (HubError, ModelReferenceError) as error:
        close = catalog.close_names(repo.id)
        hint = f"; the catalogue has {', '.join(close)}" if close else ""
        if (repo.file or "").lower().endswith(".gguf"):
            hint = f"; nor is there such a file on this machine{hint}"
        raise type(error)(f"{error}{hint}") from None


def _open(repo: Repo, limits: Limits) -> tuple[Files, str]:
    hub = Hub(limits, repo.id)
    folder = cached_folder(hub.cache, repo.id, repo.revision)
    if hub.offline:
        if folder is None:
            raise HubError(
                f"{_named(repo)} is not in the cache {label(hub.cache)}, and HF_HUB_OFFLINE "
                "forbids to ask for it; unset it, or give a local folder or a config.json"
            )
        return Folder(folder), _cached(folder, "HF_HUB_OFFLINE is set")
    try:
        return Repository(hub, repo.id, repo.revision), ""
    except HubUnreachable as unreachable:
        if folder is None:
            raise
        return Folder(folder), _cached(folder, str(unreachable))


def _named(repo: Repo) -> str:
    return repo.id if repo.revision == "main" else f"{repo.id}@{repo.revision}"


def _cached(folder: Path, why: str) -> str:
    return f"read from the cache at commit {folder.name[:12]}, because {why}"
