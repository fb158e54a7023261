"""The recurrent block of Griffin: a convolution and a real-gated linear recurrent unit (De et al.,
arXiv:2402.19427)."""

from __future__ import annotations

from dataclasses import dataclass

from weighbridge.model.facts import Parameter, StateTensor
from weighbridge.model.mixers.recurrent import Convolution, Recurrent


@dataclass(frozen=True, slots=True)
class GatedLinearRecurrence(Recurrent):
    """A diagonal recurrence of ``width`` elements behind a convolution."""

    parameters: tuple[Parameter, ...]
    width: int
    kernel: int

    @property
    def kind(self) -> str:
        """``RG-LRU`` with its width."""
        return f"RG-LRU of {self.width:,}"

    @property
    def convolution(self) -> Convolution:
        """Over the block's width."""
        return Convolution(self.width, self.kernel)

    @property
    def recurrent_elements(self) -> int:
        """One number for each channel."""
        return self.width

    @property
    def state(self) -> tuple[StateTensor, ...]:
        """As ``modeling_recurrent_gemma.py`` of Transformers 5.23.0 keeps them in its modules: one
        input less than the kernel, and the recurrence in fp32."""
        return (
            StateTensor("convolution", self.convolution.elements_before, "model"),
            StateTensor("recurrence", self.recurrent_elements, "fp32"),
        )

    @property
    def query_width(self) -> int:
        """The block's width."""
        return self.width

    @property
    def key_width(self) -> int:
        """The block's width."""
        return self.width
