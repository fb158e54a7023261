"""What ``--fit`` does over several GPUs where not all fits, device by device.

The order of llama.cpp's common/fit.cpp, steps 3 and 4: whole layers from the last GPU to the first,
of a mixture without its experts; and if all layers have found a GPU, experts from the first GPU to
the last. The parts of one layer that it moves at the end
of each GPU are left out. ``engine.llama_cpp.fitting`` keeps to one count for all GPUs instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from weighbridge.search.place.spots import EMBEDDING, HEAD, HOST, Spot, Spots


class Sizes(NamedTuple):
    """Bytes of a block on its GPU: with everything, and without what may be sent away."""

    full: int
    lean: int


def filled(blocks: Sequence[Sizes], limits: Sequence[int]) -> Spots:
    """Layers in order and the head; those for which no GPU has room stay in host memory."""
    homes = _back_to_front([block.lean for block in blocks], limits)
    full = [block.full == block.lean for block in blocks]
    if HOST not in homes and not all(full):
        homes, full = _front_to_back(blocks, homes, limits)
    names = [*map(str, range(len(blocks) - 1)), HEAD]
    return (
        Spot(EMBEDDING, HOST),
        *(
            Spot(name, home, None if whole or home == HOST else HOST)
            for name, home, whole in zip(names, homes, full, strict=True)
        ),
    )


def _back_to_front(sizes: Sequence[int], limits: Sequence[int]) -> list[int]:
    homes = [HOST] * len(sizes)
    gpu, used = len(limits) - 1, 0
    for block in reversed(range(len(sizes))):
        while gpu >= 0 and used + sizes[block] > limits[gpu]:
            gpu, used = gpu - 1, 0
        if gpu < 0:
            break
        homes[block], used = gpu, used + sizes[block]
    return homes


def _front_to_back(
    blocks: Sequence[Sizes], homes: Sequence[int], limits: Sequence[int]
) -> tuple[list[int], list[bool]]:
    """Earlier GPUs take whole layers from later ones as long as there is room; then the experts of
    the first layers that are left on a GPU."""
    homes, full = list(homes), [False] * len(blocks)
    for gpu, limit in enumerate(limits):
        mine = [block for block, home in enumerate(homes) if home == gpu]
        used = sum(blocks[block].lean for block in mine)
        later = [block for block, home in enumerate(homes) if home > gpu]
        for block in mine:
            more = blocks[block].full - blocks[block].lean
            if used + more > limit:
                break
            used, full[block] = used + more, True
        if all(full[block] for block in mine):
            for block in later:
                if used + blocks[block].full > limit:
                    break
                used, homes[block], full[block] = used + blocks[block].full, gpu, True
    return homes, full
