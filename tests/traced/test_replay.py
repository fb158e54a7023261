"""The caching allocator's rules, on requests whose outcome follows from its source."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from weighbridge.trace.log import Log, Phase, Storage, by_module, peaks, timeline
from weighbridge.trace.replay import CachingAllocator, replay
from weighbridge.units import MIB


def test_small_requests_share_a_segment_of_2_mib() -> None:
    assert replay([600, 600], (0, 1)).peak_reserved == 2 * MIB
    assert replay([600, 600], (0, 1)).peak_allocated == 2 * 1024


def test_middle_requests_share_a_segment_of_20_mib_and_large_ones_get_their_own() -> None:
    assert replay([3 * MIB, 3 * MIB], (0, 1)).peak_reserved == 20 * MIB
    assert replay([11 * MIB + 1], (0,)).peak_reserved == 12 * MIB


def test_a_freed_block_is_used_again_and_neighbours_merge() -> None:
    sizes = [12 * MIB, 12 * MIB, 24 * MIB]
    assert replay(sizes, (0, ~0, 1)).peak_reserved == 12 * MIB
    halves = [9 * MIB, 9 * MIB, 18 * MIB]
    assert replay(halves, (0, 1, ~0, ~1, 2)).peak_reserved == 20 * MIB


def test_a_rest_of_a_mebibyte_is_not_split_off() -> None:
    # 20 MiB holds 19.5 MiB unsplit, so that half a MiB more needs a small segment of its own.
    found = replay([20 * MIB, 19 * MIB + MIB // 2, 2 * MIB], (0, ~0, 1, 2))
    assert found.peak_allocated == 22 * MIB


def test_whole_free_segments_are_given_back_at_the_cap() -> None:
    sizes = [30 * MIB, 40 * MIB]
    assert replay(sizes, (0, ~0, 1), cap=50 * MIB) == (40 * MIB, 40 * MIB, 1, True)
    assert replay(sizes, (0, 1), cap=50 * MIB).fits is False


@given(st.lists(st.tuples(st.integers(1, 64 * MIB), st.booleans()), max_size=60))
def test_blocks_are_conserved(requests: list[tuple[int, bool]]) -> None:
    """After everything is given back, every segment is whole again and can be released."""
    allocator = CachingAllocator()
    held = []
    for size, free in requests:
        held.append(allocator.take(size))
        if free:
            allocator.give(held.pop(0))
        assert allocator.allocated <= allocator.reserved
    for block in held:
        allocator.give(block)
    assert allocator.allocated == 0
    allocator.empty_cache()
    assert allocator.reserved == 0


LOG = Log(
    (Storage(1000, "parameter", "", ""), Storage(100, "temporary", "model.layers.3.mlp", "mm")),
    (0, 1, ~1),
    (Phase("prefill", 1, 3),),
)


def test_a_log_says_its_peak_its_modules_and_its_course() -> None:
    (peak,) = peaks(LOG, 1)
    assert (peak.bytes, peak.event, peak.end_bytes) == (1100, 2, 1000)
    assert by_module(LOG, 2, 1) == {"": {"parameter": 1000},
                                    "model.layers.*.mlp": {"temporary": 100}}  # fmt: skip
    assert max(sum(each.live.values()) for each in timeline(LOG, 10, 1)) == 1100
    assert peaks(LOG)[0].bytes == 1024 + 512
