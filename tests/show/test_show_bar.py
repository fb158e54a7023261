"""The bar as data: cells that add up, and an overflow that is never rounded away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.show.bar import FREE, share_out, stack

SIZES = st.lists(st.integers(0, 10**13), max_size=13)


@given(st.lists(st.integers(0, 10**13), min_size=1, max_size=13), st.integers(0, 300))
def test_shares_add_up_and_are_near(sizes: list[int], cells: int) -> None:
    shares = share_out(sizes, cells)
    total = sum(sizes)
    assert sum(shares) == cells
    for size, share in zip(sizes, shares, strict=True):
        assert total == 0 or abs(share * total - size * cells) < total


@given(SIZES, st.integers(4, 300), st.none() | st.integers(1, 10**13), st.integers(0, 10**13))
def test_cells_and_bytes_add_up(
    sizes: list[int], cells: int, limit: int | None, scale: int
) -> None:
    bar = stack([(f"t{n}", size) for n, size in enumerate(sizes)], cells, limit=limit, scale=scale)
    total = sum(sizes)
    assert sum(piece.cells for piece in bar.pieces) == cells
    assert sum(piece.bytes for piece in bar.pieces) == bar.scale
    assert sum(piece.bytes for piece in bar.pieces if piece.name != FREE) == total
    starts = 0
    for piece in bar.pieces:
        assert piece.start == starts
        starts += piece.bytes
    if limit is not None:
        assert bar.overflow == max(total - limit, 0)
        before = sum(piece.cells for piece in bar.pieces if not piece.beyond)
        assert before == bar.limit_cells
        drawn = sum(p.cells for p in bar.pieces if p.beyond and p.name != FREE)
        assert drawn > 0 or not bar.overflow


@pytest.mark.parametrize(
    ("parts", "limit", "drawn"),
    [
        ([("w", 6), ("k", 2)], 10, [("w", 6, False), ("k", 2, False), ("free", 2, False)]),
        ([("w", 8), ("k", 12)], 10, [("w", 4, False), ("k", 1, False), ("k", 5, True)]),
        ([("w", 1)], 10**6, [("w", 1, False), ("free", 9, False)]),
        ([("w", 10**6 + 1)], 10**6, [("w", 9, False), ("w", 1, True)]),
        ([], 10, [("free", 10, False)]),
    ],
    ids=["fits", "twice", "speck", "hair over", "nothing"],
)
def test_drawn(parts: list[tuple[str, int]], limit: int, drawn: list[object]) -> None:
    bar = stack(parts, 10, limit=limit)
    assert [(piece.name, piece.cells, piece.beyond) for piece in bar.pieces] == drawn
