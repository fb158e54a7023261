"""Which of the last layers reuse an earlier layer's keys and values, as Gemma 3n and 4 say it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from weighbridge.model.config import LAYERS, Config


class Kind(NamedTuple):
    """What tells layers apart: their window (None for full) and whether they own a cache."""

    window: int | None
    shares: bool


def kinds(config: Config, windows: Sequence[int | None], default: int) -> tuple[Kind, ...]:
    """The last ``num_kv_shared_layers`` reuse the cache of the last earlier one of their kind."""
    layers = len(windows)
    shared = config.integer(
        "layers without a cache", "num_kv_shared_layers", default=default, low=0, high=LAYERS
    )
    if shared >= layers:
        raise config.refuse("num_kv_shared_layers", f"leaves none of the {layers} layers a cache")
    first = layers - shared
    return tuple(Kind(window, index >= first) for index, window in enumerate(windows))
