"""Sliding-window attention: a token sees the last ``window`` tokens (Beltagy et al.,
arXiv:2004.05150; Mistral 7B, arXiv:2310.06825)."""

from __future__ import annotations

from weighbridge.model.facts import CacheStream
from weighbridge.model.mixers.full import sharing
from weighbridge.model.mixers.heads import GroupedHeads
from weighbridge.records import record


@record
class SlidingAttention(GroupedHeads):
    """Softmax attention over the last ``window`` tokens; an engine may still keep them all."""

    window: int

    @property
    def kind(self) -> str:
        """``sliding`` with its window."""
        return f"sliding window of {self.window:,} ({sharing(self.heads, self.kv_heads)})"

    @property
    def cache(self) -> tuple[CacheStream, ...]:
        """Keys and values of every KV head, of which the window is enough."""
        return (CacheStream(self.kv_heads * (self.k_dim + self.v_dim), window=self.window),)
