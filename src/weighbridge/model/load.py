"""Reference → Model: the one place that knows where facts come from."""

from __future__ import annotations

from weighbridge.model.catalog import Row
from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families import read_model
from weighbridge.model.reference import resolve
from weighbridge.records import replace


def load_model(name: str) -> Model:
    """The facts of a catalogue name, a local config.json, folder or file, or a bare size."""
    reference = resolve(name)
    if reference.row is not None:
        return _from_row(reference.row)
    if reference.size is not None:
        from weighbridge.model.assumed import assumed_model

        return assumed_model(reference.text, *reference.size)
    from weighbridge.model.local import from_checkpoint, from_config, from_gguf

    path = reference.path or reference.text
    if reference.kind == "gguf":
        return from_gguf(reference.text, path)
    if reference.kind == "config":
        return from_config(reference.text, path)
    return from_checkpoint(reference.text, path)


def _from_row(row: Row) -> Model:
    model = read_model(Config(row.config, row.id))
    return replace(model, id=row.id, source=f"{row.known_by}: {row.source}".rstrip(": "))
