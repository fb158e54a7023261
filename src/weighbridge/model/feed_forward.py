"""The part of a layer that treats each token by itself: dense, gated, or a mixture of experts."""

from __future__ import annotations

from weighbridge.model.facts import Parameter
from weighbridge.records import record


@record
class Dense:
    """One feed-forward network of ``intermediate`` width; ``gated`` has two inputs to it."""

    parameters: tuple[Parameter, ...]
    intermediate: int
    gated: bool

    @property
    def kind(self) -> str:
        """Gated or plain, with its width."""
        return f"{'gated' if self.gated else 'plain'} feed-forward of {self.intermediate:,}"

    @property
    def active_elements(self) -> int:
        """All of it."""
        return sum(parameter.elements for parameter in self.parameters)


@record
class MixtureOfExperts:
    """``experts`` networks of which a token visits ``top_k``, and a shared one for every token.

    ``parameters`` with the role ``expert`` belong to the routed experts; ``shared_intermediate``
    is the width of all shared experts together.
    """

    parameters: tuple[Parameter, ...]
    experts: int
    top_k: int
    intermediate: int
    shared_intermediate: int = 0

    @property
    def kind(self) -> str:
        """How many experts, how many visited."""
        shared = f" + shared {self.shared_intermediate:,}" if self.shared_intermediate else ""
        return f"{self.top_k} of {self.experts} experts of {self.intermediate:,}{shared}"

    @property
    def active_elements(self) -> int:
        """The visited experts, the shared one and the router."""
        routed = sum(p.elements for p in self.parameters if p.role == "expert")
        other = sum(p.elements for p in self.parameters if p.role != "expert")
        return other + routed * self.top_k // self.experts


@record
class NoFeedForward:
    """A layer that only mixes tokens."""

    parameters: tuple[Parameter, ...] = ()

    @property
    def kind(self) -> str:
        """None."""
        return "no feed-forward"

    @property
    def active_elements(self) -> int:
        """Nothing."""
        return 0
