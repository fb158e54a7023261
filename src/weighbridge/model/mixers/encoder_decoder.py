"""The attention of an encoder-decoder's decoder (Vaswani et al., arXiv:1706.03762, section 3.2.3).

A decoder layer attends to its own earlier tokens and to what the encoder handed over. It caches
keys and values of both: one set per decoder token, one per encoder position, made once.
"""

from __future__ import annotations

from dataclasses import dataclass

from weighbridge.model.facts import CacheStream, Parameter, StateTensor


@dataclass(frozen=True, slots=True)
class EncoderDecoderAttention:
    """Self-attention and cross-attention of one layer, both with ``heads`` of ``head_dim``."""

    parameters: tuple[Parameter, ...]
    heads: int
    head_dim: int

    @property
    def kind(self) -> str:
        """``self- and cross-attention``."""
        return "self- and cross-attention (MHA)"

    @property
    def cache(self) -> tuple[CacheStream, ...]:
        """Keys and values of the decoder's tokens, and of the encoder's positions."""
        width = 2 * self.heads * self.head_dim
        return (
            CacheStream(width, name="self"),
            CacheStream(width, name="cross", tokens_of="encoder"),
        )

    @property
    def state(self) -> tuple[StateTensor, ...]:
        """Nothing beside the caches."""
        return ()

    @property
    def score_heads(self) -> int:
        """Every query head scores every key; self- and cross-attention take turns."""
        return self.heads

    @property
    def query_width(self) -> int:
        """Elements of one token's queries, all heads together."""
        return self.heads * self.head_dim

    @property
    def key_width(self) -> int:
        """Elements of one token's keys, all KV heads together."""
        return self.heads * self.head_dim
