"""Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434, section 2.1).

A token leaves one latent of ``latent`` elements and one rotary key of ``rope`` elements, shared by
all heads; engines that expand it keep ``heads × (nope + rope + v_dim)`` elements instead.
"""

from __future__ import annotations

from weighbridge.model.facts import CacheStream, Parameter, StateTensor
from weighbridge.records import record


@record
class LatentAttention:
    """Attention over a compressed latent; ``nope``, ``rope`` and ``v_dim`` are per head."""

    parameters: tuple[Parameter, ...]
    heads: int
    latent: int
    rope: int
    nope: int
    v_dim: int

    @property
    def kind(self) -> str:
        """``mla`` with its latent."""
        return f"multi-head latent attention ({self.latent} + {self.rope})"

    @property
    def cache(self) -> tuple[CacheStream, ...]:
        """The latent and the rotary key, once for all heads."""
        return (CacheStream(self.latent + self.rope),)

    @property
    def expanded_cache(self) -> tuple[CacheStream, ...]:
        """Keys and values of every head, as engines keep them that do not absorb the latent."""
        return (CacheStream(self.heads * (self.nope + self.rope + self.v_dim)),)

    @property
    def state(self) -> tuple[StateTensor, ...]:
        """Nothing beside the cache."""
        return ()

    @property
    def score_heads(self) -> int:
        """Every query head scores every key."""
        return self.heads

    @property
    def query_width(self) -> int:
        """Elements of one token's queries, all heads together."""
        return self.heads * (self.nope + self.rope)

    @property
    def key_width(self) -> int:
        """Elements of one token's keys, all KV heads together."""
        return self.latent + self.rope
