"""Attention of an encoder: every token sees every token, and nothing is kept for the next step."""

from __future__ import annotations

from dataclasses import dataclass

from weighbridge.model.facts import CacheStream, Parameter, StateTensor


@dataclass(frozen=True, slots=True)
class BidirectionalAttention:
    """Softmax attention without a cache, as in BERT (arXiv:1810.04805).

    ``window`` counts the tokens on both sides that a local layer sees (ModernBERT,
    arXiv:2412.13663, section 2.1.2).
    """

    parameters: tuple[Parameter, ...]
    heads: int
    head_dim: int
    window: int | None = None

    @property
    def kind(self) -> str:
        """``bidirectional``, with its window where it sees no further."""
        if self.window is None:
            return "bidirectional attention"
        return f"bidirectional attention in a window of {self.window:,}"

    @property
    def cache(self) -> tuple[CacheStream, ...]:
        """An encoder keeps nothing."""
        return ()

    @property
    def state(self) -> tuple[StateTensor, ...]:
        """An encoder keeps nothing."""
        return ()

    @property
    def score_heads(self) -> int:
        """Every head scores every token."""
        return self.heads

    @property
    def query_width(self) -> int:
        """Elements of one token's queries, all heads together."""
        return self.heads * self.head_dim

    @property
    def key_width(self) -> int:
        """Elements of one token's keys, all KV heads together."""
        return self.heads * self.head_dim
