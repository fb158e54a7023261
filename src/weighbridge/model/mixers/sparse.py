"""Sparse attention with an indexer: a small scorer picks the keys that a query attends to.

DeepSeek-V3.2 (arXiv:2512.02556) scores over one index key per token beside the latent; MiniMax-M3
does the same beside grouped-query keys. All keys stay in the cache: what is saved is reading them.
"""

from __future__ import annotations

from weighbridge.model.facts import CacheStream
from weighbridge.model.mixers.full import FullAttention, sharing
from weighbridge.model.mixers.mla import LatentAttention
from weighbridge.records import record


@record
class SparseLatentAttention(LatentAttention):
    """Latent attention over the ``top_k`` best of all keys, or over all where that is not known.

    ``index_dim`` is 0 where another layer's index serves.
    """

    index_dim: int = 0
    index_heads: int = 0
    top_k: int | None = None

    @property
    def kind(self) -> str:
        """``mla`` with its latent and its indexer."""
        index = f"indexer of {self.index_dim}" if self.index_dim else "another layer's index"
        return f"sparse latent attention ({self.latent} + {self.rope}, {index})"

    @property
    def cache(self) -> tuple[CacheStream, ...]:
        """The latent and the rotary key, and one index key for all index heads."""
        latent = CacheStream(self.latent + self.rope)
        return (latent, CacheStream(self.index_dim, name="index")) if self.index_dim else (latent,)


@record
class SparseAttention(FullAttention):
    """Grouped-query attention over the ``top_k`` best keys, with index keys of ``index_dim``."""

    index_dim: int = 0
    index_heads: int = 0
    top_k: int | None = None

    @property
    def kind(self) -> str:
        """``sparse`` with its indexer."""
        return f"sparse attention ({sharing(self.heads, self.kv_heads)}, index {self.index_dim})"

    @property
    def cache(self) -> tuple[CacheStream, ...]:
        """Keys and values of every KV head, and one index key for all index heads."""
        return (
            CacheStream(self.kv_heads * (self.k_dim + self.v_dim)),
            CacheStream(self.index_dim, name="index"),
        )


@record
class SlidingLatentAttention(LatentAttention):
    """Latent attention over the last ``window`` tokens (dots3-note)."""

    window: int = 0

    @property
    def kind(self) -> str:
        """``mla`` with its latent and window."""
        return f"latent attention ({self.latent} + {self.rope}), window of {self.window:,}"

    @property
    def cache(self) -> tuple[CacheStream, ...]:
        """The latent and the rotary key, of which the window is enough."""
        return (CacheStream(self.latent + self.rope, window=self.window),)
