"""No mixing: a layer that treats each token by itself, as the feed-forward layers of Nemotron-H."""

from __future__ import annotations

from dataclasses import dataclass

from weighbridge.model.facts import CacheStream, Parameter, StateTensor


@dataclass(frozen=True, slots=True)
class NoMixing:
    """A layer that remembers nothing."""

    parameters: tuple[Parameter, ...] = ()

    @property
    def kind(self) -> str:
        """None."""
        return "no mixing (feed-forward alone)"

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
        """None."""
        return 0

    @property
    def key_width(self) -> int:
        """None."""
        return 0
