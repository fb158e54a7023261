"""Compressed convolutional attention (ZAYA1, arXiv:2510.04476): queries and keys are convolved over
neighbouring tokens before they attend, and half of each value comes from the token before."""

from __future__ import annotations

from dataclasses import dataclass

from weighbridge.model.facts import CacheStream, Parameter, StateTensor
from weighbridge.model.mixers.full import sharing
from weighbridge.model.mixers.recurrent import Convolution


@dataclass(frozen=True, slots=True)
class ConvolvedAttention:
    """Attention over convolved queries and keys; ``kernel`` spans both convolutions together."""

    parameters: tuple[Parameter, ...]
    heads: int
    kv_heads: int
    head_dim: int
    kernel: int
    window: int | None = None

    @property
    def kind(self) -> str:
        """``convolved``, by head sharing and window."""
        reach = "" if self.window is None else f", sliding window of {self.window:,}"
        return f"convolved attention ({sharing(self.heads, self.kv_heads)}{reach})"

    @property
    def cache(self) -> tuple[CacheStream, ...]:
        """Keys and values of every KV head."""
        return (CacheStream(2 * self.kv_heads * self.head_dim, window=self.window),)

    @property
    def convolution(self) -> Convolution:
        """Over queries and keys."""
        return Convolution((self.heads + self.kv_heads) * self.head_dim, self.kernel)

    @property
    def state(self) -> tuple[StateTensor, ...]:
        """The inputs before the newest one, and the values that the next token will use."""
        return (
            StateTensor("convolution", self.convolution.elements_before, "model"),
            StateTensor("delayed values", self.kv_heads * self.head_dim // 2, "model"),
        )

    @property
    def score_heads(self) -> int:
        """Every query head scores every key."""
        return self.heads

    @property
    def query_width(self) -> int:
        """Elements of one token's queries, all heads together."""
        return self.heads * self.head_dim

    @property
    def key_width(self) -> int:
        """Elements of one token's keys, all KV heads together."""
        return self.kv_heads * self.head_dim
