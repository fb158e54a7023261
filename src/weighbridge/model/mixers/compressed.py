"""Compressed attention of DeepSeek-V4: a short window of whole tokens, and one compressed entry for
every ``ratio`` tokens before it (transformers, modeling_deepseek_v4.py, sections CSA and HCA).

Keys and values are one tensor. A ratio of 4 (CSA) has an indexer that picks entries, a ratio of
128 (HCA) reads them all, and 0 is the window alone.
"""

from __future__ import annotations

from weighbridge.model.facts import CacheStream, Parameter, StateTensor
from weighbridge.records import record


@record
class CompressedAttention:
    """``heads`` queries over one KV head of ``head_dim``; ``index_dim`` is 0 without an indexer,
    which chooses ``top_k`` of the entries."""

    parameters: tuple[Parameter, ...]
    heads: int
    head_dim: int
    window: int
    ratio: int
    index_dim: int = 0
    index_heads: int = 0
    top_k: int | None = None

    @property
    def kind(self) -> str:
        """The window and how far the rest is compressed."""
        if not self.ratio:
            return f"sliding window of {self.window:,} (keys are values)"
        index = f", indexer of {self.index_dim}" if self.index_dim else ""
        return f"1 of {self.ratio} tokens compressed, window of {self.window:,}{index}"

    @property
    def cache(self) -> tuple[CacheStream, ...]:
        """The window, the compressed entries and the indexer's compressed keys."""
        streams = [CacheStream(self.head_dim, window=self.window)]
        if self.ratio:
            streams.append(CacheStream(self.head_dim, stride=self.ratio, name="compressed"))
        if self.ratio and self.index_dim:
            streams.append(CacheStream(self.index_dim, stride=self.ratio, name="index"))
        return tuple(streams)

    @property
    def state(self) -> tuple[StateTensor, ...]:
        """Tokens that wait for their entry to be full (values and gates; at most ratio - 1), and
        the last full group, which overlaps the next where there is an indexer."""
        if not self.ratio:
            return ()
        waiting = 2 * (self.ratio - 1)
        if not self.index_dim:
            return (StateTensor("waiting tokens", waiting * self.head_dim, "model"),)
        both = self.head_dim + self.index_dim
        return (
            StateTensor("waiting tokens", waiting * 2 * both, "model"),
            StateTensor("last group", 2 * self.ratio * both, "model"),
        )

    @property
    def score_heads(self) -> int:
        """Every query head scores the window and the entries."""
        return self.heads

    @property
    def query_width(self) -> int:
        """Elements of one token's queries, all heads together."""
        return self.heads * self.head_dim

    @property
    def key_width(self) -> int:
        """Elements of one token's keys, which are its values too."""
        return self.head_dim
