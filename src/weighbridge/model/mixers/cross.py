"""Cross-attention of text to an image (Llama 3.2 Vision, arXiv:2407.21783, section 7): keys and
values of the image's tokens, kept for the whole text."""

from __future__ import annotations

from dataclasses import dataclass

from weighbridge.model.facts import CacheStream, Parameter, StateTensor
from weighbridge.model.mixers.full import sharing


@dataclass(frozen=True, slots=True)
class ImageCrossAttention:
    """Softmax attention over image tokens; without an image the layer keeps nothing."""

    parameters: tuple[Parameter, ...]
    heads: int
    kv_heads: int
    k_dim: int
    v_dim: int

    @property
    def kind(self) -> str:
        """``cross``, by head sharing."""
        return f"cross-attention to image tokens ({sharing(self.heads, self.kv_heads)})"

    @property
    def cache(self) -> tuple[CacheStream, ...]:
        """Keys and values of each image token."""
        return (CacheStream(self.kv_heads * (self.k_dim + self.v_dim), tokens_of="image"),)

    @property
    def state(self) -> tuple[StateTensor, ...]:
        """Nothing beside the cache."""
        return ()

    @property
    def score_heads(self) -> int:
        """Without an image there is nothing to score."""
        return 0

    @property
    def query_width(self) -> int:
        """Elements of one token's queries, all heads together."""
        return self.heads * self.k_dim

    @property
    def key_width(self) -> int:
        """Elements of one image token's keys, all KV heads together."""
        return self.kv_heads * self.k_dim
