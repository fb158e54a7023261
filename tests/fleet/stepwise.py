"""The same scheduler the slow way: one step after the other, one list of sequences, no jumps.

Written from the rules (running first, then the queue while tokens, sequences and blocks last; the
youngest is put back), not from the simulator: every block is counted anew in every step.
"""

from __future__ import annotations

from typing import Any

from weighbridge.fleet.clock import Chunk, Clock
from weighbridge.fleet.policy import Limits, Policy


class Sequence:
    def __init__(self, number: int, total: int, left: int) -> None:
        self.number, self.total, self.left = number, total, left
        self.reached = 0
        self.cached = 0
        self.decoding = False
        self.reserved = 0


def blocks_of(running: list[Sequence], block: int, *, grown: bool) -> int:
    """Blocks held, or held after the coming decode step; a reservation is held whole."""
    held = 0
    for each in running:
        tokens = each.cached + (1 if grown else 0) if each.decoding else each.total
        held += each.reserved or -(-tokens // block)
    return held


def serve(
    clock: Clock, policy: Policy, limits: Limits, when: list[float], inputs: list[int],
    outputs: list[int],
) -> tuple[list[float], list[float], int]:  # fmt: skip
    """Times of first and last tokens, and how often a sequence was put back."""
    count = len(when)
    began, ended = [-1.0] * count, [-1.0] * count
    waiting: list[tuple[int, int, int]] = []
    running: list[Sequence] = []
    now, coming, put_back = 0.0, 0, 0
    while coming < count or waiting or running:
        if not waiting and not running:
            now = max(now, when[coming])
        while coming < count and when[coming] <= now:
            waiting.append((coming, inputs[coming], outputs[coming] - 1))
            coming += 1
        evicted = False
        while not policy.reserve and running:
            decoding = [each for each in running if each.decoding]
            if not decoding or blocks_of(running, policy.block, grown=True) <= limits.blocks:
                break
            last = running.pop()
            total, left = (
                (last.cached + 1, last.left - 1) if last.decoding else (last.total, last.left)
            )
            waiting.insert(0, (last.number, total, left))
            evicted, put_back = True, put_back + 1
        now = step(clock, policy, limits, running, waiting, now, began, ended, admit=not evicted)
    return began, ended, put_back


def step(
    clock: Clock, policy: Policy, limits: Limits, running: list[Sequence],
    waiting: list[tuple[int, int, int]], now: float, began: list[float], ended: list[float],
    *, admit: bool,
) -> float:  # fmt: skip
    decoding = [each for each in running if each.decoding]
    budget = limits.tokens - (len(decoding) if policy.mixed else 0)
    chunks: list[Chunk] = []

    def read(each: Sequence) -> None:
        nonlocal budget
        new = min(each.total - each.reached, budget)
        if new > 0:
            each.reached += new
            chunks.append(Chunk(new, each.reached))
            budget -= new

    for each in running:
        if not each.decoding:
            read(each)
    while admit and waiting and budget > 0 and len(running) < limits.sequences:
        number, total, left = waiting[0]
        each = Sequence(number, total, left)
        if policy.reserve:
            each.reserved = -(-(total + left) // policy.block)
        if blocks_of([*running, each], policy.block, grown=False) > limits.blocks:
            break
        waiting.pop(0)
        running.append(each)
        read(each)
    beside = decoding if policy.mixed or not chunks else []
    seen = sum(each.cached for each in beside) + len(beside)
    if chunks:
        now += clock.prompts(len(beside), seen, chunks)
    else:
        now += clock.decode(len(beside), seen)
    for each in beside:
        each.cached += 1
        each.left -= 1
    for each in list(running):
        if not each.decoding and each.reached == each.total:
            each.decoding, each.cached = True, each.total
            if began[each.number] < 0:
                began[each.number] = now
        if each.decoding and each.left <= 0:
            ended[each.number] = now
            running.remove(each)
    return now


def jumped(
    clock: Clock, policy: Policy, limits: Limits, when: list[float], inputs: list[int],
    outputs: list[int],
) -> tuple[Any, Any, int]:  # fmt: skip
    """The simulator's own answer."""
    from weighbridge.fleet.replica import Replica
    from weighbridge.fleet.requests import Requests
    from weighbridge.fleet.router import Router
    from weighbridge.fleet.simulate import Fleet, Stage

    requests = Requests(when, inputs, outputs)
    replica = Replica(0, clock, policy, limits, requests)
    Fleet(requests, Stage([replica], Router())).run()
    assert replica.free == limits.blocks
    assert (replica.count, replica.seen, sum(replica.phase)) == (0, 0, 0)
    return requests.began, requests.ended, sum(requests.preempted)
