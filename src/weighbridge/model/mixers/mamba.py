"""The selective state space of Mamba (Gu and Dao, arXiv:2312.00752)."""

from __future__ import annotations

from dataclasses import dataclass

from weighbridge.model.facts import Parameter
from weighbridge.model.mixers.recurrent import Convolution, Recurrent


@dataclass(frozen=True, slots=True)
class Mamba(Recurrent):
    """``inner`` channels, each with a state of ``state_size``, behind a convolution."""

    parameters: tuple[Parameter, ...]
    inner: int
    state_size: int
    kernel: int

    @property
    def kind(self) -> str:
        """``Mamba`` with its state."""
        return f"Mamba ({self.inner:,} channels × {self.state_size})"

    @property
    def convolution(self) -> Convolution:
        """Over the inner channels."""
        return Convolution(self.inner, self.kernel)

    @property
    def recurrent_elements(self) -> int:
        """One state for each inner channel."""
        return self.inner * self.state_size

    @property
    def query_width(self) -> int:
        """The inner channels, which the recurrence reads out."""
        return self.inner

    @property
    def key_width(self) -> int:
        """The input matrix B of one token."""
        return self.state_size
