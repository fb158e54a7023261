"""Gated DeltaNet: linear attention with a delta rule and a decay (arXiv:2412.06464)."""

from __future__ import annotations

from dataclasses import dataclass

from weighbridge.model.facts import Parameter
from weighbridge.model.mixers.recurrent import Convolution, Recurrent


@dataclass(frozen=True, slots=True)
class GatedDeltaNet(Recurrent):
    """``value_heads`` states of ``key_dim`` × ``value_dim``; queries and keys: ``key_heads``."""

    parameters: tuple[Parameter, ...]
    key_heads: int
    value_heads: int
    key_dim: int
    value_dim: int
    kernel: int

    @property
    def kind(self) -> str:
        """``Gated DeltaNet`` with its state."""
        return f"Gated DeltaNet ({self.value_heads} heads of {self.key_dim} × {self.value_dim})"

    @property
    def convolution(self) -> Convolution:
        """Over queries, keys and values."""
        channels = 2 * self.key_heads * self.key_dim + self.value_heads * self.value_dim
        return Convolution(channels, self.kernel)

    @property
    def recurrent_elements(self) -> int:
        """One matrix for each value head."""
        return self.value_heads * self.key_dim * self.value_dim

    @property
    def query_width(self) -> int:
        """Queries, repeated for every value head."""
        return self.value_heads * self.key_dim

    @property
    def key_width(self) -> int:
        """Keys of one token, all key heads together."""
        return self.key_heads * self.key_dim
