"""The chain's dynamic programming against every placement there is, and against HiGHS."""

from __future__ import annotations

import random
from itertools import pairwise, product

import pytest
from scripts.place_milp import optimum

from weighbridge.search.place.bounds import Choice, bounds_of
from weighbridge.search.place.chain import Found, Problem, solve, tidied
from weighbridge.units import GIB


def problem(seed: int, most_blocks: int, stations: int) -> Problem:
    """Blocks of a few kinds, each whole, split, in host memory or on disk."""
    dice = random.Random(seed)
    kinds = [(dice.randint(1, 12) * GIB // 4, dice.random()) for _ in range(dice.randint(1, 4))]
    of = [dice.choice(kinds) for _ in range(dice.randint(2, most_blocks))]
    count = dice.randint(1, stations)
    slow = [dice.uniform(1, 4) for _ in range(count)]

    def choices(block: int, station: int) -> list[Choice]:
        size, part = of[block]
        seconds = size / GIB * slow[station]
        found = [
            Choice("gpu", seconds, size),
            Choice("split", seconds * part + size / GIB * 8, int(size * part), int(size * 0.7)),
        ]
        if station == 0:
            found.append(Choice("host", size / GIB * 12, size // 20, size))
            found.append(Choice("disk", size / GIB * 100, size // 20))
        return found

    whole = sum(size for size, _ in of)
    limits = tuple(int(whole * dice.uniform(0.1, 0.6)) for _ in range(count))
    return Problem(len(of), limits, int(whole * dice.uniform(0, 0.8)), choices,
                   lambda left, right: 0.05 * (right - left))  # fmt: skip


def price(given: Problem, found: Found) -> float:
    """Seconds of a placement, added up anew, with every limit checked."""
    own, host, seconds = [0] * len(given.limits), 0, 0.0
    for block, (station, choice) in enumerate(zip(found.stations, found.choices, strict=True)):
        assert choice in given.choices(block, station)
        own[station] += choice.own
        host += choice.host
        seconds += choice.seconds
        before = found.stations[max(block - 1, 0)]
        assert before <= station
        seconds += given.hop(before, station) if before < station else 0.0
    assert host <= given.host
    assert all(used <= limit for used, limit in zip(own, given.limits, strict=True))
    return seconds


def by_trying_all(given: Problem) -> float | None:
    """The least seconds of all placements."""
    best = None
    stations = range(len(given.limits))
    for places in product(stations, repeat=given.blocks):
        if list(places) != sorted(places):
            continue
        ways = [given.choices(block, place) for block, place in enumerate(places)]
        for chosen in product(*ways):
            host = sum(choice.host for choice in chosen)
            own = [sum(c.own for c, at in zip(chosen, places, strict=True) if at == s)
                   for s in stations]  # fmt: skip
            if host > given.host or any(u > m for u, m in zip(own, given.limits, strict=True)):
                continue
            hops = sum(given.hop(a, b) for a, b in pairwise(places) if a < b)
            seconds = sum(choice.seconds for choice in chosen) + hops
            best = seconds if best is None else min(best, seconds)
    return best


@pytest.mark.parametrize("seed", range(30))
def test_it_is_the_best_of_all(seed: int) -> None:
    given = problem(seed, 5, 2)
    found, best = solve(given), by_trying_all(given)
    assert (found is None) == (best is None)
    if found is not None and best is not None:
        assert found.exact
        assert price(given, found) == pytest.approx(found.seconds)
        assert found.seconds == pytest.approx(best, rel=1e-6)
        assert found.bound <= best * (1 + 1e-9)


@pytest.mark.parametrize("seed", range(100, 108))
def test_it_is_the_optimum_of_highs(seed: int) -> None:
    pytest.importorskip("scipy", reason="needs the [fit] extra")
    given = problem(seed, 9, 3)
    found, best = solve(given), optimum(given)
    assert (found is None) == (best is None)
    if found is not None and best is not None:
        assert price(given, found) == pytest.approx(found.seconds)
        assert found.seconds == pytest.approx(best, rel=1e-5)


@pytest.mark.parametrize("seed", range(40, 50))
def test_few_labels_give_a_placement_within_its_gap(seed: int) -> None:
    given = problem(seed, 30, 3)
    rough, best = solve(given, most=2), solve(given)
    if rough is not None:
        assert best is not None
        assert price(given, rough) == pytest.approx(rough.seconds)
        assert best.bound <= best.seconds <= rough.seconds * (1 + 1e-9)


def test_the_bound_of_no_limits_is_the_cheapest_choice_of_each() -> None:
    table = [[[Choice("a", 2.0, 5), Choice("b", 1.0, 9)]], [[Choice("c", 3.0, 1)]]]
    bounds = bounds_of(table, [100], 0, 0, 4.0)
    assert bounds.root == pytest.approx(4.0)
    assert bounds.rest(1, 0, 0, 0) <= 3.0


def test_equal_blocks_are_sorted_and_nothing_else_changes() -> None:
    a, b = Choice("a", 1.0, 1), Choice("b", 2.0, 2)
    found = Found((0, 0, 0, 1, 1), (b, a, b, b, a), 8.0, True, 8.0)
    neat = tidied(found, ["x", "x", "y", "x", "x"], ["a", "b"])
    assert [choice.tag for choice in neat.choices] == ["a", "b", "b", "a", "b"]
