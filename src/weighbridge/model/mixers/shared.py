"""Layers that attend over another layer's keys and values and keep none of their own
(Gemma 3n and Gemma 4 E; You Only Cache Once, arXiv:2405.05254; CLA, arXiv:2405.12981)."""

from __future__ import annotations

from dataclasses import dataclass

from weighbridge.model.facts import CacheStream, Parameter, StateTensor


@dataclass(frozen=True, slots=True)
class SharedAttention:
    """Attention over the last earlier layer of the same kind; ``window`` is that layer's."""

    parameters: tuple[Parameter, ...]
    heads: int
    kv_heads: int
    k_dim: int
    v_dim: int
    window: int | None = None

    @property
    def kind(self) -> str:
        """Whose keys and values it reads."""
        seen = "full" if self.window is None else f"window of {self.window:,}"
        return f"attention over an earlier layer's cache ({seen})"

    @property
    def cache(self) -> tuple[CacheStream, ...]:
        """Nothing of its own."""
        return ()

    @property
    def state(self) -> tuple[StateTensor, ...]:
        """Nothing."""
        return ()

    @property
    def score_heads(self) -> int:
        """Every query head scores the other layer's keys."""
        return self.heads

    @property
    def query_width(self) -> int:
        """Elements of one token's queries, all heads together."""
        return self.heads * self.k_dim

    @property
    def key_width(self) -> int:
        """Elements of one token's keys in the layer it reads."""
        return self.kv_heads * self.k_dim
