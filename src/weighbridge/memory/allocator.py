"""PyTorch's caching allocator: what blocks take beside what was asked for.

A request is rounded up to 512 bytes. Up to 1 MiB it is cut from segments of 2 MiB; up to 10 MiB
from segments of 20 MiB; above, it gets a segment of its own, a multiple of 2 MiB. A large block is
split only where more than 1 MiB would remain, and the best-fitting free block is taken first
(c10/cuda/CUDACachingAllocator.cpp: round_size, get_allocation_size, should_split).
``max_memory_allocated`` counts blocks, not requests.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable

from weighbridge.units import MIB, ceil_div

SMALLEST = 512
SMALL_SEGMENT, LARGE_SEGMENT, SEGMENT_STEP = 2 * MIB, 20 * MIB, 2 * MIB
LARGEST_SMALL, LARGEST_SHARED = MIB, 10 * MIB
UNSPLIT = MIB


def rounding(sizes: Iterable[int]) -> int:
    """Bytes that blocks take beside requests of ``sizes``, made in this order and all kept.

    >>> rounding([129 * 2**20 + 2**19])
    524288
    """
    free: dict[bool, list[int]] = {True: [], False: []}
    spare = 0
    for size in sizes:
        wanted = max(SMALLEST, ceil_div(size, SMALLEST) * SMALLEST)
        small = is_small(wanted)
        blocks = free[small]
        place = bisect_left(blocks, wanted)
        block = blocks.pop(place) if place < len(blocks) else segment_of(wanted)
        rest = block - wanted
        if rest >= SMALLEST if small else rest > UNSPLIT:
            insort(blocks, rest)
            block = wanted
        spare += block - size
    return spare


def is_small(wanted: int) -> bool:
    """Whether a request, already rounded, comes from the pool of small blocks."""
    return wanted <= LARGEST_SMALL


def segment_of(wanted: int) -> int:
    """Bytes of the new segment that serves a request, already rounded."""
    if is_small(wanted):
        return SMALL_SEGMENT
    if wanted < LARGEST_SHARED:
        return LARGE_SEGMENT
    return ceil_div(wanted, SEGMENT_STEP) * SEGMENT_STEP
