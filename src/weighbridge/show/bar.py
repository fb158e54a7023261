"""The stacked bar as data: which term stands where, and how many cells it gets.

The terminal draws cells; SVG draws the bytes themselves. Cells are shared out by largest
remainder on each side of the limit, so they add up exactly, and what lies beyond the limit is
never rounded away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FREE = "free"


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the bar: ``bytes`` from ``start``, drawn as ``cells``.

    ``name`` is a term's, or ``free``; ``beyond`` says that it lies past the limit.
    """

    name: str
    start: int
    bytes: int
    cells: int
    beyond: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """Pieces from left to right over ``scale`` bytes; ``limit_cells`` stand before the limit."""

    pieces: tuple[Piece, ...]
    scale: int
    cells: int
    limit: int | None
    limit_cells: int | None

    @property
    def overflow(self) -> int:
        """Bytes of terms beyond the limit."""
        return sum(piece.bytes for piece in self.pieces if piece.beyond and piece.name != FREE)


def share_out(sizes: Sequence[int], cells: int) -> list[int]:
    """``cells`` in proportion to ``sizes`` by largest remainder; they add up to ``cells``.

    >>> share_out([1, 1, 1], 10)
    [4, 3, 3]
    """
    total = sum(sizes)
    if total == 0:
        return [cells, *(0 for _ in sizes[1:])] if sizes else []
    shares = [size * cells // total for size in sizes]
    by_remainder = sorted(range(len(sizes)), key=lambda i: (-(sizes[i] * cells % total), i))
    for index in by_remainder[: cells - sum(shares)]:
        shares[index] += 1
    return shares


def stack(
    parts: Sequence[tuple[str, int]],
    cells: int,
    *,
    limit: int | None = None,
    scale: int | None = None,
) -> Bar:
    """A bar of ``parts`` (name, bytes) over ``cells``, against ``limit``.

    ``scale`` is what the full width stands for, at least the parts and the limit; give several
    bars one scale to compare them.
    """
    total = sum(size for _, size in parts)
    scale = max(total, limit or 0, scale or 0, 1)
    edge = scale if limit is None else limit
    before = cells if limit is None else _limit_cells(limit, scale, cells)
    inside, outside = _cut([*parts, (FREE, scale - total)], edge)
    pieces = (*_drawn(inside, before, 0), *_drawn(outside, cells - before, edge, beyond=True))
    return Bar(pieces, scale, cells, limit, None if limit is None else before)


def _limit_cells(limit: int, scale: int, cells: int) -> int:
    """The limit to the nearest cell, leaving one for whatever lies beyond it."""
    nearest = (2 * limit * cells + scale) // (2 * scale)
    return nearest if limit >= scale or cells < 2 else min(nearest, cells - 1)


def _cut(
    parts: Sequence[tuple[str, int]], edge: int
) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    inside: list[tuple[str, int]] = []
    outside: list[tuple[str, int]] = []
    start = 0
    for name, size in parts:
        within = max(min(edge - start, size), 0)
        if within:
            inside.append((name, within))
        if size > within:
            outside.append((name, size - within))
        start += size
    return inside, outside


def _drawn(
    parts: Sequence[tuple[str, int]], cells: int, start: int, *, beyond: bool = False
) -> list[Piece]:
    shares = share_out([size for _, size in parts], cells)
    _show_something(parts, shares)
    pieces = []
    for (name, size), share in zip(parts, shares, strict=True):
        pieces.append(Piece(name, start, size, share, beyond))
        start += size
    return pieces


def _show_something(parts: Sequence[tuple[str, int]], shares: list[int]) -> None:
    """A bar with anything in it shows at least one cell: the largest part takes a free one."""
    used = [index for index, (name, _) in enumerate(parts) if name != FREE]
    free = [index for index, (name, _) in enumerate(parts) if name == FREE]
    if used and free and shares[free[0]] and not any(shares[index] for index in used):
        shares[free[0]] -= 1
        shares[max(used, key=lambda index: parts[index][1])] += 1
