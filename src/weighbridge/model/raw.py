"""Reference → the config.json itself, for what runs the model's own code rather than our facts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from weighbridge.errors import ModelReferenceError
from weighbridge.model.reference import Reference, resolve


def raw_config(name: str) -> dict[str, Any]:
    """The object in the config.json that a name, a path or a repository leads to.

    A row of the catalogue holds the keys that decide shapes, which is what a trace needs.
    """
    reference = resolve(name)
    if reference.row is not None:
        return dict(reference.row.config)
    if reference.kind in {"folder", "config"}:
        return _local(reference)
    if reference.repo is not None:
        from weighbridge.model.checkpoint import CONFIG_NAME, MAX_CONFIG_BYTES
        from weighbridge.model.remote import repository_files

        files, _ = repository_files(reference.repo)
        return files.read_json(CONFIG_NAME, MAX_CONFIG_BYTES)
    if reference.parts is not None:
        return raw_config(reference.parts[0])
    raise ModelReferenceError(
        f"{reference.text!r} has no config.json, which says what code to trace; give a name, a "
        "folder, a config.json or org/name"
    )


def _local(reference: Reference) -> dict[str, Any]:
    from weighbridge.model.checkpoint import CONFIG_NAME, read_config

    path = Path(reference.path or reference.text)
    return read_config(path / CONFIG_NAME if reference.kind == "folder" else path)
