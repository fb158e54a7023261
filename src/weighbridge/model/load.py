"""Reference → Model: the one place that knows where facts come from."""

from __future__ import annotations

from dataclasses import replace

from weighbridge.model.catalog import Row
from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families import read_model
from weighbridge.model.reference import resolve


def load_model(name: str) -> Model:
    """The facts of a catalogue name, a local config.json or folder, a repository, or a size."""
    reference = resolve(name)
    if reference.row is not None:
        return load_row(reference.row)
    if reference.size is not None:
        from weighbridge.model.assumed import assumed_model

        return assumed_model(reference.text, *reference.size)
    if reference.repo is not None:
        from weighbridge.model.remote import from_hub

        return from_hub(reference.text, reference.repo)
    if reference.parts is not None:
        from weighbridge.model.adapter import from_base_and_adapter

        return from_base_and_adapter(*reference.parts)
    from weighbridge.model.local import from_checkpoint, from_config

    path = reference.path or reference.text
    if reference.kind == "config":
        return from_config(reference.text, path)
    return from_checkpoint(reference.text, path)


def load_row(row: Row) -> Model:
    """The facts of a row of the catalogue."""
    model = read_model(Config(row.config, row.id))
    return replace(model, id=row.id, source=f"{row.known_by}: {row.source}".rstrip(": "))
