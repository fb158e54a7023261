"""The time mixing of RWKV-7 (Peng et al., arXiv:2503.14456): a generalised delta rule whose state a
head keeps, and the token before, which both halves of a layer mix in."""

from __future__ import annotations

from weighbridge.model.facts import Parameter, StateTensor
from weighbridge.model.mixers.recurrent import Convolution, Recurrent
from weighbridge.records import record


@record
class TimeMixing(Recurrent):
    """``heads`` states of ``head_dim`` × ``head_dim``, and ``shifts`` earlier tokens of ``width``.

    RWKV-6 (arXiv:2404.05892) keeps the same; its ``generation`` is 6.
    """

    parameters: tuple[Parameter, ...]
    heads: int
    head_dim: int
    generation: int = 7
    shifts: int = 2

    @property
    def kind(self) -> str:
        """``RWKV`` with its generation and state."""
        return f"RWKV-{self.generation} ({self.heads} heads of {self.head_dim} × {self.head_dim})"

    @property
    def width(self) -> int:
        """Channels of all heads, which are the hidden size."""
        return self.heads * self.head_dim

    @property
    def convolution(self) -> Convolution:
        """Mixing in the token before, in one or both halves of a layer, reaches over two inputs."""
        return Convolution(self.shifts * self.width, 2)

    @property
    def recurrent_elements(self) -> int:
        """One matrix for each head."""
        return self.heads * self.head_dim * self.head_dim

    @property
    def state(self) -> tuple[StateTensor, ...]:
        """The matrices in fp32, and the token before of time mixing and of channel mixing
        (flash-linear-attention, layers/rwkv7.py: ``recurrent_state``, ``conv_state``,
        ``ffn_state``)."""
        return (
            StateTensor("recurrence", self.recurrent_elements, "fp32"),
            StateTensor("token before", self.convolution.elements_before, "model"),
        )

    @property
    def query_width(self) -> int:
        """The receptance of one token, all heads together."""
        return self.width

    @property
    def key_width(self) -> int:
        """Elements of one token's keys, all heads together."""
        return self.width
