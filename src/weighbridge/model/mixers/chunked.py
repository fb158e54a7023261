"""Chunked attention: a token sees the earlier ones of its own chunk (Llama 4's layers with rotary
positions; transformers, ``create_chunked_causal_mask``)."""

from __future__ import annotations

from dataclasses import dataclass

from weighbridge.model.facts import CacheStream, Parameter, StateTensor
from weighbridge.model.mixers.full import sharing


@dataclass(frozen=True, slots=True)
class ChunkedAttention:
    """Softmax attention inside chunks of ``chunk`` tokens; never more than one chunk is needed."""

    parameters: tuple[Parameter, ...]
    heads: int
    kv_heads: int
    k_dim: int
    v_dim: int
    chunk: int

    @property
    def kind(self) -> str:
        """``chunked`` with its chunk."""
        return f"chunks of {self.chunk:,} ({sharing(self.heads, self.kv_heads)})"

    @property
    def cache(self) -> tuple[CacheStream, ...]:
        """Keys and values of every KV head, of which one chunk is enough."""
        return (CacheStream(self.kv_heads * (self.k_dim + self.v_dim), window=self.chunk),)

    @property
    def state(self) -> tuple[StateTensor, ...]:
        """Nothing beside the cache."""
        return ()

    @property
    def score_heads(self) -> int:
        """Every query head scores every key, masked outside the chunk."""
        return self.heads

    @property
    def query_width(self) -> int:
        """Elements of one token's queries, all heads together."""
        return self.heads * self.k_dim

    @property
    def key_width(self) -> int:
        """Elements of one token's keys, all KV heads together."""
        return self.kv_heads * self.k_dim
