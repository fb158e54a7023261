"""Prefixes that prompts share, as blocks that a replica keeps: the least used lately go first."""

from __future__ import annotations

from collections import OrderedDict


class Prefixes:
    """Kept prefixes by group: [blocks, requests that use it now]; whole blocks only."""

    def __init__(self, block: int) -> None:
        self.block = block
        self.kept: OrderedDict[int, list[int]] = OrderedDict()
        self.asked = self.found = 0

    def hit(self, group: int, shared: int, total: int) -> int:
        """Tokens of a prompt that need not be computed; the last one always is."""
        if group < 0 or group not in self.kept:
            return 0
        return min(self.kept[group][0] * self.block, shared, (total - 1) // self.block * self.block)

    def keep(self, group: int, shared: int, hit: int) -> int:
        """A prompt is computed: its prefix stays; returns tokens that were not kept before."""
        if group < 0:
            return 0
        self.asked += shared
        self.found += hit
        entry = self.kept[group]
        blocks = max(shared // self.block - entry[0], 0)
        entry[0] += blocks
        return blocks * self.block

    def enter(self, group: int) -> None:
        """A request of the group runs."""
        if group >= 0:
            self.kept.setdefault(group, [0, 0])[1] += 1
            self.kept.move_to_end(group)

    def leave(self, group: int) -> None:
        """One has ended."""
        if group >= 0:
            self.kept[group][1] -= 1

    def evict(self, wanted: int, but: int) -> int:
        """Give up unused prefixes until ``wanted`` blocks are free; how many became so."""
        freed = 0
        for group in [g for g, entry in self.kept.items() if not entry[1] and g != but]:
            if freed >= wanted:
                break
            freed += self.kept.pop(group)[0]
        return freed
