"""Layers that attend over another layer's keys and values and keep none of their own
(Gemma 3n and Gemma 4 E; You Only Cache Once, arXiv:2405.05254; CLA, arXiv:2405.12981)."""

from __future__ import annotations

from weighbridge.model.facts import CacheStream
from weighbridge.model.mixers.heads import GroupedHeads
from weighbridge.records import record


@record
class SharedAttention(GroupedHeads):
    """Attention over the last earlier layer of the same kind; ``window`` is that layer's."""

    window: int | None = None

    @property
    def kind(self) -> str:
        """Whose keys and values it reads."""
        seen = "full" if self.window is None else f"window of {self.window:,}"
        return f"attention over an earlier layer's cache ({seen})"

    @property
    def cache(self) -> tuple[CacheStream, ...]:
        """Nothing of its own."""
        return ()
