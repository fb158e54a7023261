"""The gated short convolution of LFM2: no recurrence, only its last inputs (Liquid AI, LFM2
technical report, arXiv:2511.23404)."""

from __future__ import annotations

from dataclasses import dataclass

from weighbridge.model.facts import Parameter
from weighbridge.model.mixers.recurrent import Convolution, Recurrent


@dataclass(frozen=True, slots=True)
class ShortConvolution(Recurrent):
    """A depthwise convolution over the last ``kernel`` inputs of ``channels``, gated twice."""

    parameters: tuple[Parameter, ...]
    channels: int
    kernel: int

    @property
    def kind(self) -> str:
        """``short convolution`` with its kernel."""
        return f"short convolution of {self.kernel}"

    @property
    def convolution(self) -> Convolution:
        """Over the channels."""
        return Convolution(self.channels, self.kernel)

    @property
    def query_width(self) -> int:
        """The channels."""
        return self.channels

    @property
    def key_width(self) -> int:
        """The channels."""
        return self.channels
