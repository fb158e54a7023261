"""Latent attention over tokens that an indexer picks by pools (GLM-5.3-Flash): beside the latent, a
token leaves an index key, a gate for its pool and a mark that it is no padding."""

from __future__ import annotations

from weighbridge.model.facts import CacheStream
from weighbridge.model.mixers.mla import LatentAttention
from weighbridge.records import record


@record
class PooledIndexAttention(LatentAttention):
    """Latent attention over ``top_k`` tokens, chosen in pools of ``pool`` by an indexer of
    ``index_dim`` (``modeling_glm5_next.py``, 5.23.0)."""

    index_dim: int
    index_heads: int = 0
    top_k: int | None = None
    pool: int = 1

    @property
    def kind(self) -> str:
        """``mla`` with its latent and index."""
        return f"indexed latent attention ({self.latent} + {self.rope}, index {self.index_dim})"

    @property
    def cache(self) -> tuple[CacheStream, ...]:
        """The latent, and the indexer's key, gate and mark."""
        return (
            CacheStream(self.latent + self.rope),
            CacheStream(2 * self.index_dim + 1, name="indexer"),
        )
