"""What is asked of a fleet: who comes when, with how much to read and to write."""

from __future__ import annotations

from random import Random
from typing import Any, NamedTuple

from weighbridge.errors import RequestError
from weighbridge.fleet.arrivals import arrivals, pauses
from weighbridge.fleet.lengths import Lengths, draw, mean_of
from weighbridge.fleet.requests import Requests
from weighbridge.fleet.simulate import Closed
from weighbridge.fleet.traces import Trace


class Prefix(NamedTuple):
    """``tokens`` that the prompts of one of ``groups`` groups have in common."""

    tokens: int = 0
    groups: int = 1


class Traffic(NamedTuple):
    """Users who ask again, a rate, or a trace; lengths; prefixes; and the seed of it all.

    ``users`` think ``think`` seconds on average before they ask again. ``rate`` is requests a
    second by ``process``. A ``trace`` brings times and lengths (``rate`` then stretches its times);
    with ``users`` only its lengths are taken.
    """

    input: Lengths
    output: Lengths
    users: int | None = None
    think: float = 0.0
    rate: float | None = None
    process: str = "poisson"
    cv: float = 1.0
    trace: Trace | None = None
    prefix: Prefix = Prefix()
    requests: int = 2000
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Everything that decides what comes."""
        return {
            "input": self.input.to_dict(),
            "output": self.output.to_dict(),
            "users": self.users,
            "think": self.think,
            "rate": self.rate,
            "arrivals": self.process if self.users is None and self.trace is None else None,
            "cv": self.cv if self.process == "bursty" else None,
            "trace_requests": None if self.trace is None else len(self.trace.when),
            "prefix": self.prefix._asdict(),
            "requests": self.requests,
            "seed": self.seed,
        }


class Asked(NamedTuple):
    """Requests, and the users who ask them where there are any."""

    requests: Requests
    closed: Closed | None


def ask(traffic: Traffic, longest: int, scale: float = 1.0) -> Asked:
    """The requests of a traffic at ``scale`` times its rate; none is longer than ``longest``.

    The same seed gives the same requests, whatever serves them.
    """
    random = Random(traffic.seed)
    inputs, outputs = _lengths(traffic, random, longest)
    times = _times(traffic, random, scale)
    group, shared = _groups(traffic.prefix, inputs, random)
    requests = Requests(times, inputs, outputs, group, shared)
    if traffic.users is None:
        return Asked(requests, None)
    users = max(round(traffic.users * scale), 1)
    return Asked(requests, Closed(users, pauses(traffic.think, Random(traffic.seed + 1))))


def _lengths(traffic: Traffic, random: Random, longest: int) -> tuple[list[int], list[int]]:
    if traffic.trace is not None:
        trace = traffic.trace.repeated(traffic.requests)
        inputs, outputs = trace.input, trace.output
    else:
        inputs = draw(traffic.input, traffic.requests, random, longest - 1)
        outputs = draw(traffic.output, traffic.requests, random, longest)
    outputs = [min(o, max(longest - i, 1)) for i, o in zip(inputs, outputs, strict=True)]
    return [min(i, longest - 1) for i in inputs], outputs


def _times(traffic: Traffic, random: Random, scale: float) -> list[float]:
    if traffic.users is not None:
        return [0.0] * traffic.requests
    if traffic.trace is not None:
        when = traffic.trace.repeated(traffic.requests).when
        if traffic.rate is not None and when[-1]:
            scale *= traffic.rate * when[-1] / len(when)
        return [time / scale for time in when]
    if traffic.rate is None:
        raise RequestError("a fleet needs --users, --rate or --trace")
    return arrivals(traffic.process, traffic.rate * scale, traffic.requests, random, traffic.cv)


def _groups(
    prefix: Prefix, inputs: list[int], random: Random
) -> tuple[list[int] | None, list[int] | None]:
    if not prefix.tokens:
        return None, None
    group = [random.randrange(prefix.groups) for _ in inputs]
    return group, [min(prefix.tokens, tokens) for tokens in inputs]


def means_of(traffic: Traffic) -> tuple[int, int]:
    """Mean tokens of a prompt and of an answer, at least one each."""
    if traffic.trace is not None:
        means = mean_of(traffic.trace.input), mean_of(traffic.trace.output)
    else:
        means = traffic.input.mean, traffic.output.mean
    return max(round(means[0]), 1), max(round(means[1]), 1)
