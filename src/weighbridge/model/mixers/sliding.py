"""Sliding-window attention: a token sees the last ``window`` tokens (Beltagy et al.,
arXiv:2004.05150; Mistral 7B, arXiv:2310.06825)."""

from __future__ import annotations

from weighbridge.model.facts import CacheStream, Parameter, StateTensor
from weighbridge.model.mixers.full import sharing
from weighbridge.records import record


@record
class SlidingAttention:
    """Softmax attention over the last ``window`` tokens; an engine may still keep them all."""

    parameters: tuple[Parameter, ...]
    heads: int
    kv_heads: int
    k_dim: int
    v_dim: int
    window: int

    @property
    def kind(self) -> str:
        """``sliding`` with its window."""
        return f"sliding window of {self.window:,} ({sharing(self.heads, self.kv_heads)})"

    @property
    def cache(self) -> tuple[CacheStream, ...]:
        """Keys and values of every KV head, of which the window is enough."""
        return (CacheStream(self.kv_heads * (self.k_dim + self.v_dim), window=self.window),)

    @property
    def state(self) -> tuple[StateTensor, ...]:
        """Nothing beside the cache."""
        return ()

    @property
    def score_heads(self) -> int:
        """Every query head scores every key, masked outside the window."""
        return self.heads

    @property
    def query_width(self) -> int:
        """Elements of one token's queries, all heads together."""
        return self.heads * self.k_dim

    @property
    def key_width(self) -> int:
        """Elements of one token's keys, all KV heads together."""
        return self.kv_heads * self.k_dim
