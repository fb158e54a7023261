"""Room: what users fill of the pool of an engine that takes its share whatever comes."""

from __future__ import annotations

import pytest

import weighbridge as wb
from weighbridge.errors import RequestError

CARD = {"on": "rtx-4090"}


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_all_run_at_once_where_the_pool_has_a_sequence_for_each(engine: str) -> None:
    room = wb.room("llama-3.1-8b", engine=engine, context=[8192], concurrency=[1, 2, 64], **CARD)
    plan = wb.plan("llama-3.1-8b", engine=engine, context=8192, **CARD)
    held = plan.capacity.sequences
    assert held is not None
    assert room.holds == (tuple(held >= users for users in (1, 2, 64)),)
    pool = plan.term("kv_cache")
    assert room.needs[0][0] == plan.total - pool + int(pool / held)
    assert room.needs[0][0] < room.needs[0][1] < room.needs[0][2]


def test_a_context_that_fits_nobody_is_held_for_nobody() -> None:
    room = wb.room("llama-3.1-70b", engine="vllm", context=[8192], concurrency=[1, 4], **CARD)
    assert room.holds == ((False, False),)
    assert room.usable is not None
    assert room.needs[0][0] > room.usable


def test_an_engine_that_takes_what_it_needs_is_swept() -> None:
    asked = {"context": [2048, 8192], "concurrency": [1, 8]}
    room, sweep = wb.room("qwen3-8b", **asked, **CARD), wb.sweep("qwen3-8b", **asked, **CARD)
    assert (room.needs, room.holds) == (sweep.totals, sweep.fits)


def test_a_grid_of_nothing_is_refused() -> None:
    with pytest.raises(RequestError, match="at least 1"):
        wb.room("qwen3-8b", engine="vllm", context=[], concurrency=[1], **CARD)
