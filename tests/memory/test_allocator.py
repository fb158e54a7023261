"""The allocator's rounding, by the rules of its source."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from weighbridge.memory.allocator import rounding
from weighbridge.units import MIB


def test_a_block_of_its_own_is_split_only_above_a_mebibyte() -> None:
    assert rounding([129 * MIB + MIB // 2]) == MIB // 2
    assert rounding([128 * MIB + MIB // 2]) == 0
    assert rounding([85 * MIB] * 3) == 3 * MIB


def test_small_requests_share_segments() -> None:
    assert rounding([512] * 1000) == 0
    assert rounding([100]) == 412


@given(st.lists(st.integers(1, 200 * MIB), max_size=60))
def test_no_block_wastes_more_than_a_mebibyte(sizes: list[int]) -> None:
    assert 0 <= rounding(sizes) <= len(sizes) * (MIB + 512)
