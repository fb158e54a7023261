"""The state space of Mamba-2 with a scalar decay per head (Dao and Gu, arXiv:2405.21060)."""

from __future__ import annotations

from dataclasses import dataclass

from weighbridge.model.facts import Parameter
from weighbridge.model.mixers.recurrent import Convolution, Recurrent


@dataclass(frozen=True, slots=True)
class Mamba2(Recurrent):
    """``heads`` of ``head_dim`` channels with a state of ``state_size`` each; B and C of
    ``groups`` groups pass through the convolution together with the channels."""

    parameters: tuple[Parameter, ...]
    heads: int
    head_dim: int
    groups: int
    state_size: int
    kernel: int

    @property
    def kind(self) -> str:
        """``Mamba-2`` with its state."""
        return f"Mamba-2 ({self.heads} heads of {self.head_dim} × {self.state_size})"

    @property
    def inner(self) -> int:
        """Channels of all heads."""
        return self.heads * self.head_dim

    @property
    def convolution(self) -> Convolution:
        """Over the channels, B and C."""
        return Convolution(self.inner + 2 * self.groups * self.state_size, self.kernel)

    @property
    def recurrent_elements(self) -> int:
        """One matrix for each head."""
        return self.heads * self.head_dim * self.state_size

    @property
    def query_width(self) -> int:
        """The channels of all heads, which the recurrence reads out."""
        return self.inner

    @property
    def key_width(self) -> int:
        """The input matrices B of one token, all groups together."""
        return self.groups * self.state_size
