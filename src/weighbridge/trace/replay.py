"""PyTorch's CUDA caching allocator, replayed over the log of a trace: reserved memory.

The rules are those of c10/cuda/CUDACachingAllocator.cpp (torch 2.13: round_size,
get_allocation_size, get_free_block, should_split, try_merge_blocks, release_cached_blocks):
requests round up to 512 bytes; up to 1 MiB they are cut from segments of 2 MiB, under 10 MiB from
segments of 20 MiB, above from a segment of their own in steps of 2 MiB; the smallest free block
that fits is taken, at the lowest address; a rest of 512 bytes (small) or of more than 1 MiB (large)
is split off; neighbours merge on free; where a new segment would pass ``cap``, whole free segments
are given back first.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import NamedTuple

from weighbridge.memory.allocator import SMALLEST, UNSPLIT, is_small, segment_of
from weighbridge.units import ceil_div


class OutOfMemory(Exception):
    """The request could not be served within the cap."""

    def __init__(self, wanted: int, allocated: int, reserved: int) -> None:
        super().__init__(f"{wanted} bytes more do not fit")
        self.wanted, self.allocated, self.reserved = wanted, allocated, reserved


class Reserved(NamedTuple):
    """The allocator's figures after a replay, in bytes; ``fits`` is None without a cap."""

    peak_reserved: int
    peak_allocated: int
    retries: int
    fits: bool | None


class _Block:
    __slots__ = ("after", "before", "free", "place", "segment", "size", "small")

    def __init__(self, place: int, size: int, segment: int, *, small: bool) -> None:
        self.place, self.size, self.segment, self.small = place, size, segment, small
        self.before: _Block | None = None
        self.after: _Block | None = None
        self.free = True


class CachingAllocator:
    """One device's allocator; addresses count up, and segments never touch."""

    def __init__(self, cap: int | None = None) -> None:
        self.cap = cap
        self.allocated = self.reserved = 0
        self.peak_allocated = self.peak_reserved = self.retries = 0
        # Two pools of free blocks, sorted by (size, address).
        self._pools: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
        self._free: dict[int, _Block] = {}
        self._next = 0

    def take(self, size: int) -> _Block:
        """A block of at least ``size`` bytes."""
        wanted = max(SMALLEST, ceil_div(size, SMALLEST) * SMALLEST)
        small = is_small(wanted)
        block = self._best_fit(wanted, small=small) or self._new_segment(wanted, small=small)
        rest = block.size - wanted
        if (rest >= SMALLEST) if small else (rest > UNSPLIT):
            self._split(block, wanted)
        block.free = False
        self.allocated += block.size
        self.peak_allocated = max(self.peak_allocated, self.allocated)
        return block

    def give(self, block: _Block) -> None:
        """Free a block and merge it with free neighbours."""
        self.allocated -= block.size
        block.free = True
        for other in (block.before, block.after):
            if other is not None and other.free:
                self._forget(other)
                first, second = (other, block) if other is block.before else (block, other)
                first.size += second.size
                first.after = second.after
                if second.after is not None:
                    second.after.before = first
                block = first
        self._remember(block)

    def empty_cache(self) -> None:
        """Give back every segment that is free as a whole."""
        for block in [*self._free.values()]:
            if block.before is None and block.after is None:
                self._forget(block)
                self.reserved -= block.size

    def _best_fit(self, wanted: int, *, small: bool) -> _Block | None:
        pool = self._pools[small]
        at = bisect_left(pool, (wanted, -1))
        if at == len(pool):
            return None
        block = self._free[pool[at][1]]
        self._forget(block)
        return block

    def _new_segment(self, wanted: int, *, small: bool) -> _Block:
        size = segment_of(wanted)
        if self.cap is not None and self.reserved + size > self.cap:
            self.retries += 1
            self.empty_cache()
            if self.reserved + size > self.cap:
                raise OutOfMemory(wanted, self.allocated, self.reserved)
        self.reserved += size
        self.peak_reserved = max(self.peak_reserved, self.reserved)
        block = _Block(self._next, size, self._next, small=small)
        self._next += size
        return block

    def _split(self, block: _Block, wanted: int) -> None:
        rest = _Block(block.place + wanted, block.size - wanted, block.segment, small=block.small)
        rest.before, rest.after = block, block.after
        if block.after is not None:
            block.after.before = rest
        block.after, block.size = rest, wanted
        self._remember(rest)

    def _remember(self, block: _Block) -> None:
        self._free[block.place] = block
        insort(self._pools[block.small], (block.size, block.place))

    def _forget(self, block: _Block) -> None:
        del self._free[block.place]
        pool = self._pools[block.small]
        del pool[bisect_left(pool, (block.size, block.place))]


def replay(sizes: list[int], events: tuple[int, ...], cap: int | None = None) -> Reserved:
    """Run a log's events (``number`` appears, ``~number`` goes) through the allocator.

    >>> replay([3 * 2**20, 600], (0, 1, ~0)).peak_reserved == 22 * 2**20
    True
    """
    allocator = CachingAllocator(cap)
    held: dict[int, _Block] = {}
    try:
        for event in events:
            if event >= 0:
                if sizes[event]:
                    held[event] = allocator.take(sizes[event])
            elif ~event in held:
                allocator.give(held.pop(~event))
    except OutOfMemory:
        return _figures(allocator, fits=False)
    return _figures(allocator, fits=None if cap is None else True)


def _figures(allocator: CachingAllocator, *, fits: bool | None) -> Reserved:
    return Reserved(allocator.peak_reserved, allocator.peak_allocated, allocator.retries, fits)
