"""Jumps from event to event give what single steps give."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.stepwise import jumped, serve
from weighbridge.fleet.clock import Chunk, Clock, Span
from weighbridge.fleet.policy import POLICIES, Limits, Policy
from weighbridge.request import make_request
from weighbridge.speed.ask import answer
from weighbridge.speed.ask import settle as settle_speed


def clock_of(model: str = "llama-3.1-8b", on: str = "H100", **more: object) -> Clock:
    options = {"on": on, "engine": "vllm", "input_tokens": 512, "output_tokens": 128, **more}
    found = answer(settle_speed(make_request(model, options)))
    assert found is not None
    return Clock(found.setting, Span(512, 640))


CLOCK = clock_of()

requests = st.lists(
    st.tuples(st.floats(0, 0.3), st.integers(1, 90), st.integers(1, 60)), min_size=1, max_size=25
)


def compare(policy: Policy, limits: Limits, rows: list[tuple[float, int, int]]) -> int:
    when, now = [], 0.0
    for gap, _, _ in rows:
        now += gap
        when.append(now)
    inputs, outputs = [row[1] for row in rows], [row[2] for row in rows]
    slow = serve(CLOCK, policy, limits, when, inputs, outputs)
    quick = jumped(CLOCK, policy, limits, when, inputs, outputs)
    assert list(quick[0]) == pytest.approx(slow[0], rel=1e-9, abs=1e-9)
    assert list(quick[1]) == pytest.approx(slow[1], rel=1e-9, abs=1e-9)
    assert quick[2] == slow[2]
    return slow[2]


@settings(max_examples=60, deadline=None)
@given(rows=requests, blocks=st.integers(10, 60), sequences=st.integers(1, 12),
       tokens=st.integers(16, 200))  # fmt: skip
def test_as_vllm_schedules(
    rows: list[tuple[float, int, int]], blocks: int, sequences: int, tokens: int
) -> None:
    compare(POLICIES["vllm"], Limits(blocks, sequences, max(tokens, sequences + 1)), rows)


@settings(max_examples=40, deadline=None)
@given(rows=requests, blocks=st.integers(10, 60), sequences=st.integers(1, 12))
def test_where_nobody_is_put_back(
    rows: list[tuple[float, int, int]], blocks: int, sequences: int
) -> None:
    compare(Policy(reserve=True), Limits(blocks, sequences, 64), rows)


@settings(max_examples=40, deadline=None)
@given(rows=requests, sequences=st.integers(1, 12))
def test_where_prompts_go_first(rows: list[tuple[float, int, int]], sequences: int) -> None:
    compare(Policy(mixed=False), Limits(10_000, sequences, 64), rows)


def test_a_tight_cache_puts_sequences_back() -> None:
    assert compare(POLICIES["vllm"], Limits(12, 8, 64), [(0.0, 40, 60)] * 8) > 0


def test_a_run_of_steps_is_the_sum_of_its_steps() -> None:
    seen, total = 1000, 0.0
    for _ in range(37):
        seen += 9
        total += CLOCK.decode(9, seen)
    assert CLOCK.run(9, 1000, 37) == pytest.approx(total, rel=1e-12)
    assert CLOCK.steps_until(9, 1000, total, 1000) in {37, 38}
    assert CLOCK.steps_until(9, 1000, total * 0.999, 1000) == 37


@pytest.mark.parametrize("model", ["llama-3.1-8b", "gpt-oss-20b"])
def test_a_step_is_timed_as_speed_times_it(model: str) -> None:
    from weighbridge.speed.step import decode_split
    from weighbridge.speed.work import decode_work

    clock = clock_of(model)
    for n in (1, 7, 64):
        work = decode_work(clock.setting.shape, n, 576, clock.setting.cached)
        split = decode_split(work, clock.setting.cost)
        assert clock.decode(n, n * 576) == pytest.approx(float(split.seconds), rel=0.01)


def test_a_prompt_alone_takes_what_speed_says() -> None:
    from weighbridge.speed.step import prefill_split
    from weighbridge.speed.work import prefill_work

    work = prefill_work(CLOCK.setting.shape, 1, 2048, 2048, CLOCK.setting.cached)
    alone = float(prefill_split(work, CLOCK.setting.cost, 2048.0, 1).seconds)
    assert CLOCK.prompts(0, 0, [Chunk(2048, 2048)]) == pytest.approx(alone, rel=0.02)
