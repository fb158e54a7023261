"""What users see: percentiles of waits, goodput under an objective, and what the cards did.

Definitions are those of the benchmarks (vLLM ``bench serve``, AIPerf): the time to the first token;
the time per output token, (end - first) / (tokens - 1) of a request; the wait between two tokens of
any request; the time of the whole answer. Goodput counts requests that meet every objective.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

from weighbridge.fleet.clock import Clock
from weighbridge.fleet.requests import Requests
from weighbridge.fleet.tally import Tally, gap_at

AT = (50, 90, 95, 99)


class Spread(NamedTuple):
    """Mean and percentiles of one measure, in seconds."""

    mean: float
    p50: float
    p90: float
    p95: float
    p99: float


class Objective(NamedTuple):
    """What an answer must meet, in seconds; None asks for nothing. ``share`` is in percent."""

    ttft: float | None = None
    tpot: float | None = None
    e2e: float | None = None
    share: float = 95.0

    @property
    def asked(self) -> bool:
        """Whether there is any."""
        return any(each is not None for each in (self.ttft, self.tpot, self.e2e))


class Window(NamedTuple):
    """The time in which the load is steady, and the number of the first request that counts."""

    begin: float
    end: float
    first: int


class Measures(NamedTuple):
    """What is measured of the requests after the warm-up."""

    requests: int
    seconds: float
    ttft: Spread
    tpot: Spread
    itl: Spread
    e2e: Spread
    tokens_per_second: float
    requests_per_second: float
    goodput: float
    met: float
    preempted: int


def spread(values: Iterable[float]) -> Spread:
    """Mean and percentiles, by the nearest rank."""
    rows = sorted(values)
    if not rows:
        return Spread(0.0, 0.0, 0.0, 0.0, 0.0)
    last = len(rows) - 1
    at = [rows[min(-(-len(rows) * each // 100) - 1, last)] for each in AT]
    return Spread(sum(rows) / len(rows), *at)


def gaps_of(tallies: Sequence[Tally]) -> Spread:
    """Waits between tokens, from the bins of the replicas."""
    counts: dict[int, int] = {}
    for tally in tallies:
        for place, count in tally.gaps.items():
            counts[place] = counts.get(place, 0) + count
    places = sorted(counts)
    total = sum(counts.values())
    if not total:
        return Spread(0.0, 0.0, 0.0, 0.0, 0.0)
    sums = list(accumulate(counts[place] for place in places))
    at = []
    for each in AT:
        rank = -(-total * each // 100)
        at.append(gap_at(next(p for p, upto in zip(places, sums, strict=True) if upto >= rank)))
    return Spread(sum(gap_at(p) * counts[p] for p in places) / total, *at)


def measure(
    requests: Requests, tallies: Sequence[Tally], objective: Objective, window: Window
) -> Measures:
    """The measures of the requests from ``window.first`` on that came while it lasted.

    Rates are those of what ended in it, whenever it came.
    """
    some = [i for i in range(window.first, len(requests)) if requests.when[i] <= window.end]
    when, began, ended, outputs = (
        [column[i] for i in some]
        for column in (requests.when, requests.began, requests.ended, requests.output)
    )
    first = [b - a for a, b in zip(when, began, strict=True)]
    whole = [e - a for a, e in zip(when, ended, strict=True)]
    each = [(e - b) / (n - 1) if n > 1 else 0.0
            for b, e, n in zip(began, ended, outputs, strict=True)]  # fmt: skip
    met = _met(first, each, whole, objective)
    seconds = max(window.end - window.begin, 1e-9)
    through = [n for e, n in zip(requests.ended, requests.output, strict=True)
               if window.begin < e <= window.end]  # fmt: skip
    share = met / max(len(when), 1)
    return Measures(
        len(when),
        seconds,
        spread(first),
        spread(e for e, n in zip(each, outputs, strict=True) if n > 1),
        gaps_of(tallies),
        spread(whole),
        sum(through) / seconds,
        len(through) / seconds,
        share * len(through) / seconds,
        share,
        sum(requests.preempted),
    )


def _met(first: list[float], each: list[float], whole: list[float], objective: Objective) -> int:
    most = [
        float("inf") if x is None else x for x in (objective.ttft, objective.tpot, objective.e2e)
    ]
    return sum(
        f <= most[0] and t <= most[1] and e <= most[2]
        for f, t, e in zip(first, each, whole, strict=True)
    )


class Use(NamedTuple):
    """What the cards did while the fleet ran, as shares of all that they could.

    ``bus`` is bytes moved over the stated bandwidth, ``arithmetic`` operations over the stated
    rate, ``busy`` the time in which a step ran, ``waiting`` the share of that time in which
    arithmetic waits for memory, ``batch`` the mean sequences of a decode step.
    """

    busy: float
    bus: float
    arithmetic: float
    waiting: float
    batch: float


def use_of(done: Sequence[tuple[Clock, Tally]], seconds: float) -> Use:
    """Sums over replicas; each card of a replica does the same."""
    busy = moved = operations = waiting = 0.0
    bytes_able = able = 0.0
    steps = tokens = 0
    for clock, tally in done:
        rates = clock.setting.cost.rates
        bytes_able += rates.bandwidth * seconds
        able += rates.stated * seconds
        busy += tally.busy
        for count, times in tally.steps.items():
            parts = clock.pieces(count)
            moved += parts.moved * times
            operations += parts.operations * times
            waiting += parts.waiting * (times - tally.mixed.get(count, 0))
            steps += times
            tokens += times * count
        moved += clock.seen_bytes * tally.seen
        operations += clock.seen_operations * tally.seen
        waiting += clock.seen_wait * (tally.seen - tally.seen_mixed)
        operations += clock.token_operations * tally.prompt_tokens
        operations += tally.attended
        moved += clock.weight_bytes * tally.alone
    busy = max(busy, 1e-12)
    return Use(
        min(busy / (seconds * len(done)), 1.0), moved / bytes_able, operations / able,
        min(waiting / busy, 1.0), tokens / steps if steps else 0.0,
    )  # fmt: skip
