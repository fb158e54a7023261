"""What recurrent mixers share: a fixed state per sequence, and nothing per token.

A state has up to two parts: the last inputs of a causal convolution, kept in the activations'
type, and the recurrence itself, kept in fp32 unless a mixer says otherwise. Transformers keeps
the convolution's full kernel (``LinearAttentionLayer``, cache_utils.py of 5.23.0); vLLM and
llama.cpp keep one input less, so the geometry is stated beside the tensors.
"""

from __future__ import annotations

from dataclasses import dataclass

from weighbridge.model.facts import CacheStream, StateTensor


@dataclass(frozen=True, slots=True)
class Convolution:
    """A causal depthwise convolution over the last ``kernel`` inputs of ``channels``."""

    channels: int
    kernel: int

    @property
    def elements(self) -> int:
        """Inputs of the whole kernel, as Transformers keeps them."""
        return self.channels * self.kernel

    @property
    def elements_before(self) -> int:
        """Inputs before the newest one, as vLLM and llama.cpp keep them."""
        return self.channels * (self.kernel - 1)


class Recurrent:
    """A mixer without keys and values; its subclasses state their convolution and recurrence."""

    __slots__ = ()

    @property
    def convolution(self) -> Convolution | None:
        """The causal convolution before the recurrence; None where there is none."""
        return None

    @property
    def recurrent_elements(self) -> int:
        """Elements of the recurrence's state for one sequence; 0 where there is none."""
        return 0

    @property
    def cache(self) -> tuple[CacheStream, ...]:
        """Nothing is kept per token."""
        return ()

    @property
    def state(self) -> tuple[StateTensor, ...]:
        """The convolution's inputs in the activations' type, the recurrence in fp32."""
        convolution, recurrent = self.convolution, self.recurrent_elements
        return (
            *((StateTensor("convolution", convolution.elements, "model"),) if convolution else ()),
            *((StateTensor("recurrence", recurrent, "fp32"),) if recurrent else ()),
        )

    @property
    def score_heads(self) -> int:
        """No scores of queries with keys are written out."""
        return 0
