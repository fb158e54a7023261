"""Chunked attention: a token sees the earlier ones of its own chunk (Llama 4's layers with rotary
positions; transformers, ``create_chunked_causal_mask``)."""

from __future__ import annotations

from weighbridge.model.facts import CacheStream
from weighbridge.model.mixers.full import sharing
from weighbridge.model.mixers.heads import GroupedHeads
from weighbridge.records import record


@record
class ChunkedAttention(GroupedHeads):
    """Softmax attention inside chunks of ``chunk`` tokens; never more than one chunk is needed."""

    chunk: int

    @property
    def kind(self) -> str:
        """``chunked`` with its chunk."""
        return f"chunks of {self.chunk:,} ({sharing(self.heads, self.kv_heads)})"

    @property
    def cache(self) -> tuple[CacheStream, ...]:
        """Keys and values of every KV head, of which one chunk is enough."""
        return (CacheStream(self.kv_heads * (self.k_dim + self.v_dim), window=self.chunk),)
