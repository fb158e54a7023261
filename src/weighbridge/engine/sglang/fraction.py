"""``mem_fraction_static``: the share of a card for weights and pools, as SGLang sets it by itself.

Everything here is arithmetic on flags and on the card's memory in MiB as nvidia-smi states it.
Sources, all of sgl-project/sglang: ``server_args.py`` of 0.4.4 (a table by tensor parallel size),
0.4.10 (reserves by card), 0.5.5 and 0.5.9 (the general formula), and ``arg_groups/memory_hook.py``
and ``arg_groups/cuda_graph_hook.py`` of 0.5.23.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from weighbridge.engine.sglang import versions
from weighbridge.engine.sglang.versions import Version

G = 1024
NO_CARD = 0.88
BY_TENSOR = ((16, 0.79), (8, 0.81), (4, 0.85), (2, 0.87), (1, 0.88))


class Sizes(NamedTuple):
    """Tokens of one chunk of prefill, and the largest batch that is captured for decoding."""

    chunk: int
    max_bs: int


# Card memory below (MiB), chunk, largest batch with fewer than four tensor ranks, and with more.
_GENERAL = (
    (20 * G, 2048, 8, 8),
    (35 * G, 2048, 24, 80),
    (60 * G, 4096, 32, 160),
    (160 * G, 8192, 256, 512),
    (None, 16384, 512, 512),
)
_NEWEST = (_GENERAL[0], (35 * G, 4096, 48, 160), *_GENERAL[2:])
_TIERED = (
    (35 * G, 2048, 8, 80),
    (96 * G, 8192, 160, 160),
    (160 * G, 8192, 256, 256),
    (None, 16384, 256, 256),
)
_FIRST = ((25_000, 2048, 8, 80), (None, 8192, 160, 160))


def default_sizes(version: Version, memory: float | None, tensor: int) -> Sizes:
    """Chunk and largest captured batch by the card's memory in MiB."""
    if version < versions.TIERED:
        rows: Sequence[tuple[int | None, int, int, int]] = _FIRST
    elif version < versions.GENERAL:
        rows = _TIERED
    else:
        rows = _GENERAL if version < versions.LARGER_SMALL_CARDS else _NEWEST
    if memory is None:
        return Sizes(8192 if version < versions.TIERED else 4096, 160)
    for below, chunk, few, many in rows:
        if below is None or memory < below:
            return Sizes(chunk, few if tensor < 4 else many)
    raise AssertionError("the last row has no bound")


def decode_sizes(version: Version, max_bs: int, *, speculative: bool) -> tuple[int, ...]:
    """Batches of which a graph is captured for decoding."""
    if version < versions.GENERAL:
        sizes = [1, 2, 4, *range(8, 161, 8), *range(168, 257, 8)]
    elif speculative:
        sizes = [*range(1, 9), *range(10, 33, 2), *range(40, 65, 4), *range(72, 257, 8),
                 *range(272, max_bs + 1, 16)]  # fmt: skip
    else:
        sizes = [1, 2, 4, 8, 12, *range(16, 257, 8), *range(272, 512, 16),
                 *range(512, max_bs + 1, 32)]  # fmt: skip
    kept = tuple(size for size in sizes if size <= max_bs)
    return kept if max_bs in kept else (*kept, max_bs)


def prefill_sizes(largest: int) -> tuple[int, ...]:
    """Tokens of which a graph is captured for prefill."""
    sizes = [*range(4, 33, 4), *range(48, 257, 16), *range(288, 513, 32), *range(576, 1025, 64),
             *range(1280, 4097, 256), *range(4608, largest + 1, 512)]  # fmt: skip
    return tuple(size for size in sizes if size <= largest)


class Reserve(NamedTuple):
    """What the formula is put together from; ``data`` is 1 without data parallel attention."""

    version: Version
    memory: float | None
    ranks: int
    tensor: int
    data: int
    sizes: Sizes
    decode_graphs: bool
    prefill_graphs: int
    latent: bool
    speculative: str | None


def reserved_mib(given: Reserve) -> float:
    """MiB that the fraction leaves free, in the versions that reserve by a formula."""
    if given.version < versions.GENERAL:
        return _tiered(given)
    memory, max_bs = given.memory, given.sizes.max_bs
    reserved = 512 + max(given.sizes.chunk, 2048) * 1.5 + given.ranks / 8 * G
    if given.decode_graphs or given.version < versions.PREFILL_GRAPHS:
        reserved += max_bs * 2
    if given.data > 1:
        reserved += max_bs * given.data * (4.5 if max_bs > 300 else 3)
    if given.prefill_graphs:
        reserved += 1.5 * G if given.latent else given.prefill_graphs * 8
    if memory is not None and memory > 60 * G:
        reserved = max(reserved, 10 * G)
    if given.version < versions.DRAFT_COUNTED and given.speculative not in {None, "NGRAM"}:
        reserved += (6 if given.speculative == "STANDALONE" else 2) * G
    return reserved


def _tiered(given: Reserve) -> float:
    memory, ranks = given.memory or 0, given.ranks
    if memory < 35 * G:
        reserved = (2.8 + ranks / 10) * G
    elif memory < 90 * G:
        reserved = (9.5 + ranks / 2) * G
    elif memory < 160 * G:
        reserved = (12 + ranks / 2) * G
    else:
        reserved = 32 * G
    if given.speculative is not None:
        reserved += 2 * G
    return reserved + (4 * G if given.data > 1 else 0)


def mem_fraction_static(given: Reserve) -> float:
    """The share that SGLang takes where none is named."""
    if given.version < versions.TIERED:
        return next(share for ranks, share in BY_TENSOR if given.tensor >= ranks)
    if given.memory is None:
        return NO_CARD
    return round((given.memory - reserved_mib(given)) / given.memory, 3)


def for_images(fraction: float, layers: int, hidden: int) -> float:
    """The share less what a vision encoder of this size is given (adjust_mem_fraction_for_vlm)."""
    complexity = layers * hidden**2 / (24 * 1024**2)
    factor = max(0.8, min(1.05, 1.0 - 0.1 * (complexity - 1.0)))
    return fraction * 0.95 * factor
