"""What softmax attention with grouped heads has in common, whatever it sees and keeps."""

from __future__ import annotations

from weighbridge.model.facts import Parameter, StateTensor
from weighbridge.records import record


@record
class GroupedHeads:
    """``heads`` query heads of ``k_dim`` share ``kv_heads`` keys, and values of ``v_dim``."""

    parameters: tuple[Parameter, ...]
    heads: int
    kv_heads: int
    k_dim: int
    v_dim: int

    @property
    def state(self) -> tuple[StateTensor, ...]:
        """Nothing beside the cache."""
        return ()

    @property
    def score_heads(self) -> int:
        """Every query head scores every key, masked where it may not see it."""
        return self.heads

    @property
    def query_width(self) -> int:
        """Elements of one token's queries, all heads together."""
        return self.heads * self.k_dim

    @property
    def key_width(self) -> int:
        """Elements of one token's keys, all KV heads together."""
        return self.kv_heads * self.k_dim
