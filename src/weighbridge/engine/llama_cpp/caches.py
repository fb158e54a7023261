"""Bytes of caches and states, layer by layer.

Source: src/llama-kv-cache.cpp, llama-kv-cache-iswa.cpp, llama-memory-recurrent.cpp of llama
0.5.0-dev; every row of tests/truth/engines_alone.jsonl to the byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from weighbridge.engine.llama_cpp import versions
from weighbridge.engine.llama_cpp.blocks import Heads, Latent
from weighbridge.engine.llama_cpp.describe import LayerShape
from weighbridge.engine.llama_cpp.recurrent import Recurrence
from weighbridge.engine.llama_cpp.settings import Settings, padded

# Their files name no window, or llama.cpp does not use it (src/models/phi3.cpp and the converters).
WINDOW_IGNORED = frozenset(
    {"llama", "mistral", "mixtral", "ministral", "phi3", "phimoe", "qwen2", "qwen2_moe", "qwen3",
     "qwen3_moe", "starcoder2", "gpt_neo"}
)  # fmt: skip
STATE_BYTES = 4


class Kept(NamedTuple):
    """What one layer keeps: bytes of keys, of values, and of states; cells of its cache."""

    keys: int
    values: int
    state: int
    window: int | None = None

    @property
    def cache(self) -> int:
        """Keys and values."""
        return self.keys + self.values


def windows(shapes: Sequence[LayerShape], family: str, settings: Settings) -> dict[int | None, int]:
    """Cells of one stream, by window; None is the cache that keeps every token."""
    cells: dict[int | None, int] = {None: settings.cells}
    found = {window for shape in shapes if (window := window_of(shape, family)) is not None}
    if not found or settings.version < versions.SLIDING_CACHE:
        return cells
    slots = settings.slots if settings.unified else 1
    for window in found:
        small = padded(min(settings.cells, window * slots + settings.pass_tokens))
        cells[window] = settings.cells if settings.swa_full else small
    return cells


def window_of(shape: LayerShape, family: str) -> int | None:
    """The window that llama.cpp gives a layer a small cache for."""
    if family in WINDOW_IGNORED:
        return None
    return next((m.window for m in shape.mixers if isinstance(m, Heads) and m.window), None)


def kept(
    shapes: Sequence[LayerShape], family: str, settings: Settings, cells: dict[int | None, int]
) -> list[Kept]:
    """What each layer keeps, all streams together."""
    widest = _padded_values(shapes, settings)
    return [_of_layer(shape, family, settings, cells, widest) for shape in shapes]


def _padded_values(shapes: Sequence[LayerShape], settings: Settings) -> int:
    """Without flash attention, values of layers of several widths are kept at the widest."""
    if settings.flash:
        return 0
    widths = {
        m.kv_count * m.v_dim
        for shape in shapes
        for m in shape.mixers
        if isinstance(m, Heads) and not m.borrows
    }
    return max(widths) if len(widths) > 1 else 0


def _of_layer(
    shape: LayerShape,
    family: str,
    settings: Settings,
    cells: dict[int | None, int],
    widest: int,
) -> Kept:
    keys = values = state = 0
    window = window_of(shape, family)
    window = window if window in cells else None
    rows = cells[window] * settings.streams
    for mixer in shape.mixers:
        if isinstance(mixer, Heads) and not mixer.borrows:
            keys += rows * int(settings.key.bytes_of(mixer.kv_count * mixer.k_dim))
            width = max(mixer.kv_count * mixer.v_dim, widest)
            values += rows * int(settings.value.bytes_of(width))
        elif isinstance(mixer, Latent):
            keys += rows * int(settings.key.bytes_of(mixer.rank + mixer.rope))
            if settings.version < versions.LATENT_ONCE:
                values += rows * int(settings.value.bytes_of(mixer.rank))
            if mixer.index_dim:
                keys += rows * int(settings.key.bytes_of(mixer.index_dim))
        elif isinstance(mixer, Recurrence):
            each = (mixer.kernel - 1) * mixer.channels + mixer.state
            state += STATE_BYTES * settings.slots * (1 + settings.snapshots) * each
    return Kept(keys, values, state, window)
