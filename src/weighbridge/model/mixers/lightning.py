"""Lightning attention: linear attention with a fixed decay per head (Qin et al.,
arXiv:2401.04658; MiniMax-01, arXiv:2501.08313)."""

from __future__ import annotations

from dataclasses import dataclass

from weighbridge.model.facts import Parameter, StateTensor
from weighbridge.model.mixers.recurrent import Recurrent


@dataclass(frozen=True, slots=True)
class LightningAttention(Recurrent):
    """``heads`` states of ``head_dim`` × ``head_dim``, in the type of the values."""

    parameters: tuple[Parameter, ...]
    heads: int
    head_dim: int

    @property
    def kind(self) -> str:
        """``lightning attention`` with its state."""
        return f"lightning attention ({self.heads} heads of {self.head_dim} × {self.head_dim})"

    @property
    def recurrent_elements(self) -> int:
        """One matrix for each head."""
        return self.heads * self.head_dim * self.head_dim

    @property
    def state(self) -> tuple[StateTensor, ...]:
        """The matrices, which Transformers' ``MiniMaxCache`` keeps in the values' type."""
        return (StateTensor("recurrence", self.recurrent_elements, "model"),)

    @property
    def query_width(self) -> int:
        """Elements of one token's queries, all heads together."""
        return self.heads * self.head_dim

    @property
    def key_width(self) -> int:
        """Elements of one token's keys, all heads together."""
        return self.heads * self.head_dim
