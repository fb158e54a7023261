"""Several mixers in one layer, each with a memory of its own: attention beside Mamba-2 (Falcon-H1,
arXiv:2507.22448), attention before Mamba (Zamba, arXiv:2405.16712)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

from weighbridge.model.facts import CacheStream, Mixer, Parameter, StateTensor


@dataclass(frozen=True, slots=True)
class Parallel:
    """The ``parts`` of a layer that all remember; what they hold adds up."""

    parts: tuple[Mixer, ...]

    @property
    def kind(self) -> str:
        """The kinds of the parts, in one layer."""
        return " + ".join(part.kind for part in self.parts)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Trainable tensors of all parts."""
        return tuple(chain.from_iterable(part.parameters for part in self.parts))

    @property
    def cache(self) -> tuple[CacheStream, ...]:
        """What all parts append per token."""
        return tuple(chain.from_iterable(part.cache for part in self.parts))

    @property
    def state(self) -> tuple[StateTensor, ...]:
        """What all parts keep per sequence."""
        return tuple(chain.from_iterable(part.state for part in self.parts))

    @property
    def score_heads(self) -> int:
        """Heads of the attending part; the parts work one after another."""
        return max(part.score_heads for part in self.parts)

    @property
    def query_width(self) -> int:
        """The widest part's."""
        return max(part.query_width for part in self.parts)

    @property
    def key_width(self) -> int:
        """The widest part's."""
        return max(part.key_width for part in self.parts)
