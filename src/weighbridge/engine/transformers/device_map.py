"""``device_map="auto"``: which device gets which layers, by accelerate's balanced rule.

Source: accelerate ``utils/modeling.py``, ``get_balanced_memory`` and ``infer_auto_device_map``:
every device but the last is limited to its share of the model plus a buffer of 1.25 × one layer;
blocks are placed in order, none is split, and the first device keeps room for the largest to come.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Block(NamedTuple):
    """An unsplittable piece of the model, in the order in which it runs."""

    name: str
    size: int


def balanced(blocks: Sequence[Block], capacities: Sequence[int | None], layer: int) -> list[int]:
    """The device of each block, ``layer`` being the bytes of one layer.

    What fits nowhere stays on the last device, which then overflows.
    """
    last = len(capacities) - 1
    if last == 0:
        return [0] * len(blocks)
    share = sum(block.size for block in blocks) // len(capacities) + layer * 5 // 4
    limits = [share if capacity is None else min(share, capacity) for capacity in capacities[:-1]]
    placed: list[int] = []
    device = used = 0
    for index, block in enumerate(blocks):
        kept = max((later.size for later in blocks[index + 1 :]), default=0)
        while device < last and used + block.size > limits[device] - (kept if device == 0 else 0):
            device, used = device + 1, 0
        placed.append(device)
        used += block.size
    return placed
