"""Text models inside larger ones: which section configures them, and what their tensors are called.

Transformers from 5.0 on names all of them ``model.language_model.…`` in memory; the files keep
older names, of which there are two: ``language_model.model.…`` and ``model.language_model.…``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from weighbridge.model.config import Config
from weighbridge.model.facts import Model, Tower


def text_section(config: Config, *keys: str, defaults: dict[str, Any] | None = None) -> Config:
    """The section of the text model, or the config itself where it is flat.

    What decides the outermost class (``architectures``, ``tie_word_embeddings``) is taken from the
    outermost config where it says so; ``defaults`` are the text class's for keys it leaves out.
    """
    section = config.section(*(keys or ("text_config",)))
    raw = dict(config.raw if section is None else section.raw)
    for key in ("architectures", "tie_word_embeddings", "dtype", "torch_dtype"):
        if key in config.raw:
            raw[key] = config.raw[key]
    where = config.where if section is None else section.where
    return Config({**(defaults or {}), **raw}, where, config.answers)


def vision_section(config: Config, *keys: str) -> Config:
    """The section of the vision tower; an absent one means its class's defaults."""
    section = config.section(*(keys or ("vision_config",)))
    return section or Config({}, f"{config.where} → vision_config", config.answers)


def under(model: Model) -> Model:
    """The text model's tensors as ``language_model.…``, head included."""
    return _renamed(model, lambda name: f"language_model.{name}")


def within(model: Model) -> Model:
    """The text model's tensors as ``model.language_model.…``, the head beside them."""

    def moved(name: str) -> str:
        inside = name.startswith("model.")
        return f"model.language_model.{name.removeprefix('model.')}" if inside else name

    return _renamed(model, moved)


def _renamed(model: Model, rename: Callable[[str], str]) -> Model:
    return replace(
        model,
        outer=tuple(replace(each, name=rename(each.name)) for each in model.outer),
        layer_prefix=rename(model.layer_prefix),
    )


def with_towers(model: Model, config: Config, *towers: Tower, notes: tuple[str, ...] = ()) -> Model:
    """The text model beside its ``towers``; ``notes`` say what an image costs."""
    return replace(model, id=config.where, towers=towers, notes=(*model.notes, *notes))


def image_size(config: Config, fact: str, key: str, default: int) -> int:
    """A side of the (square) image; a list of two equal sides is read as one."""
    value = config.raw.get(key)
    if isinstance(value, list) and value and all(side == value[0] for side in value):
        return Config({key: value[0]}, config.where, config.answers).integer(fact, key)
    return config.integer(fact, key, default=default)
