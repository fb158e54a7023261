"""No mixing at all: a layer whose attention was taken out (Puzzle, arXiv:2411.19146)."""

from __future__ import annotations

from dataclasses import dataclass

from weighbridge.model.facts import CacheStream, Parameter, StateTensor


@dataclass(frozen=True, slots=True)
class NoMixer:
    """A layer that treats each token by itself and remembers nothing."""

    parameters: tuple[Parameter, ...] = ()

    @property
    def kind(self) -> str:
        """``no attention``."""
        return "no attention"

    @property
    def cache(self) -> tuple[CacheStream, ...]:
        """Nothing."""
        return ()

    @property
    def state(self) -> tuple[StateTensor, ...]:
        """Nothing."""
        return ()

    @property
    def score_heads(self) -> int:
        """None."""
        return 0

    @property
    def query_width(self) -> int:
        """Nothing."""
        return 0

    @property
    def key_width(self) -> int:
        """Nothing."""
        return 0
