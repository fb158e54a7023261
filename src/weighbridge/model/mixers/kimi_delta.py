"""Kimi Delta Attention: Gated DeltaNet with a decay per channel (Kimi Linear, arXiv:2510.26692)."""

from __future__ import annotations

from dataclasses import dataclass

from weighbridge.model.facts import Parameter
from weighbridge.model.mixers.recurrent import Convolution, Recurrent


@dataclass(frozen=True, slots=True)
class KimiDeltaAttention(Recurrent):
    """``heads`` states of ``head_dim`` × ``head_dim``; q, k and v are convolved one by one."""

    parameters: tuple[Parameter, ...]
    heads: int
    head_dim: int
    kernel: int

    @property
    def kind(self) -> str:
        """``Kimi delta attention`` with its state."""
        return f"Kimi delta attention ({self.heads} heads of {self.head_dim} × {self.head_dim})"

    @property
    def convolution(self) -> Convolution:
        """Over queries, keys and values."""
        return Convolution(3 * self.heads * self.head_dim, self.kernel)

    @property
    def recurrent_elements(self) -> int:
        """One matrix for each head."""
        return self.heads * self.head_dim * self.head_dim

    @property
    def query_width(self) -> int:
        """Elements of one token's queries, all heads together."""
        return self.heads * self.head_dim

    @property
    def key_width(self) -> int:
        """Elements of one token's keys, all heads together."""
        return self.heads * self.head_dim
