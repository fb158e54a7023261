"""The matrix LSTM of xLSTM (Beck et al., arXiv:2405.04517; xLSTM 7B, arXiv:2503.13427)."""

from __future__ import annotations

from dataclasses import dataclass

from weighbridge.model.facts import Parameter, StateTensor
from weighbridge.model.mixers.recurrent import Recurrent


@dataclass(frozen=True, slots=True)
class MatrixLSTM(Recurrent):
    """``heads`` memories of ``key_dim`` × ``value_dim`` with a normaliser and a maximum each."""

    parameters: tuple[Parameter, ...]
    heads: int
    key_dim: int
    value_dim: int

    @property
    def kind(self) -> str:
        """``mLSTM`` with its memory."""
        return f"mLSTM ({self.heads} heads of {self.key_dim} × {self.value_dim})"

    @property
    def recurrent_elements(self) -> int:
        """Memory, normaliser and maximum of every head."""
        return self.heads * (self.key_dim * self.value_dim + self.key_dim + 1)

    @property
    def state(self) -> tuple[StateTensor, ...]:
        """C, n and m; Transformers' ``xLSTMCache`` keeps them in the activations' type."""
        return (
            StateTensor("memory C", self.heads * self.key_dim * self.value_dim, "model"),
            StateTensor("normaliser n", self.heads * self.key_dim, "model"),
            StateTensor("maximum m", self.heads, "model"),
        )

    @property
    def query_width(self) -> int:
        """Elements of one token's queries, all heads together."""
        return self.heads * self.key_dim

    @property
    def key_width(self) -> int:
        """Elements of one token's keys, all heads together."""
        return self.heads * self.key_dim
