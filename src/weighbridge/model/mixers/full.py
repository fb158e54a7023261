"""Full attention: every token sees every earlier one (multi-head, grouped-query, multi-query).

Cache per token: ``kv_heads × (k_dim + v_dim)`` elements (Shazeer, arXiv:1911.02150, for one KV
head; Ainslie et al., arXiv:2305.13245, for groups).
"""

from __future__ import annotations

from weighbridge.model.facts import CacheStream
from weighbridge.model.mixers.heads import GroupedHeads
from weighbridge.records import record


@record
class FullAttention(GroupedHeads):
    """Softmax attention over all earlier tokens with ``heads`` query and ``kv_heads`` KV heads."""

    @property
    def kind(self) -> str:
        """``full``, by head sharing: MHA, GQA or MQA."""
        return f"full attention ({sharing(self.heads, self.kv_heads)})"

    @property
    def cache(self) -> tuple[CacheStream, ...]:
        """Keys and values of every KV head."""
        return (CacheStream(self.kv_heads * (self.k_dim + self.v_dim)),)

    @property
    def expanded_cache(self) -> tuple[CacheStream, ...]:
        """Keys and values of every query head, as code keeps them that repeats before caching."""
        return (CacheStream(self.heads * (self.k_dim + self.v_dim)),)


def sharing(heads: int, kv_heads: int) -> str:
    """How query heads share KV heads, in the field's words."""
    if kv_heads == heads:
        return "MHA"
    return "MQA" if kv_heads == 1 else "GQA"
