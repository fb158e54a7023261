"""Attention with short convolutions over keys, values and the block's outputs (Inkling).

Beside its cache a layer keeps the last ``kernel`` inputs of each convolution (transformers,
modeling_inkling.py)."""

from __future__ import annotations

from dataclasses import dataclass

from weighbridge.model.facts import CacheStream, Parameter, StateTensor
from weighbridge.model.mixers.full import sharing


@dataclass(frozen=True, slots=True)
class ShortConvolvedAttention:
    """Attention whose convolutions of ``kernel`` taps span ``convolved`` channels together."""

    parameters: tuple[Parameter, ...]
    heads: int
    kv_heads: int
    head_dim: int
    window: int | None
    convolved: int
    kernel: int

    @property
    def kind(self) -> str:
        """Full or sliding, with its convolutions."""
        seen = "full" if self.window is None else f"window of {self.window:,}"
        shared = sharing(self.heads, self.kv_heads)
        return f"attention with short convolutions ({seen}, {shared})"

    @property
    def cache(self) -> tuple[CacheStream, ...]:
        """Keys and values of every KV head."""
        return (CacheStream(2 * self.kv_heads * self.head_dim, window=self.window),)

    @property
    def state(self) -> tuple[StateTensor, ...]:
        """The last inputs of the convolutions."""
        return (StateTensor("convolutions", self.convolved * self.kernel, "model"),)

    @property
    def score_heads(self) -> int:
        """Every query head scores every key."""
        return self.heads

    @property
    def query_width(self) -> int:
        """Elements of one token's queries, all heads together."""
        return self.heads * self.head_dim

    @property
    def key_width(self) -> int:
        """Elements of one token's keys, all KV heads together."""
        return self.kv_heads * self.head_dim
