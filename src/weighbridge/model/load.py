"""Reference → Model: the one place that knows where facts come from."""

from __future__ import annotations

from weighbridge.model.catalog import Row
from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families import read_model
from weighbridge.model.reference import Reference, resolve
from weighbridge.records import replace


def load_model(name: str) -> Model:
    """The facts of a catalogue name, local files, a repository of the Hub, or a bare size."""
    reference = resolve(name)
    if reference.given is not None:
        return reference.given
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
    return _from_files(reference)


def _from_files(reference: Reference) -> Model:
    """The facts of a path on this machine."""
    from weighbridge.model.local import from_checkpoint, from_config, from_gguf

    readers = {"gguf": from_gguf, "config": from_config}
    read = readers.get(reference.kind, from_checkpoint)
    return read(reference.text, reference.path or reference.text)


def load_row(row: Row) -> Model:
    """The facts of a row of the catalogue."""
    model = read_model(Config(row.config, row.id))
    return replace(model, id=row.id, source=f"{row.known_by}: {row.source}".rstrip(": "))
