"""When requests come: at a rate (Poisson, bursty, even), or when users ask again."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from weighbridge.errors import RequestError

PROCESSES = ("poisson", "bursty", "constant")


def arrivals(process: str, rate: float, count: int, random: Random, cv: float = 1.0) -> list[float]:
    """Times of ``count`` requests at ``rate`` a second.

    ``bursty`` draws gaps from a gamma distribution whose deviation is ``cv`` times its mean: 1 is
    Poisson, and the Azure traces of 2023 have 1.1 (conversation) and 13 (code).
    """
    if rate <= 0:
        raise RequestError(f"--rate is {rate:g}; requests come at more than 0 a second")
    gaps = _gaps(process, rate, random, cv)
    now, times = 0.0, []
    for _ in range(count):
        now += next(gaps)
        times.append(now)
    return times


def _gaps(process: str, rate: float, random: Random, cv: float) -> Iterator[float]:
    if process == "poisson":
        while True:
            yield random.expovariate(rate)
    if process == "constant":
        while True:
            yield 1 / rate
    if process != "bursty":
        raise RequestError(f"--arrivals {process[:40]!r} is not one of {', '.join(PROCESSES)}")
    if not 0 < cv <= 1000:
        raise RequestError(f"--cv is {cv:g}; a coefficient of variation is above 0, at most 1,000")
    shape = 1 / cv**2
    while True:
        yield random.gammavariate(shape, 1 / (rate * shape))


def pauses(mean: float, random: Random) -> Iterator[float]:
    """How long a user reads and thinks before asking again: exponential about ``mean`` seconds."""
    while True:
        yield random.expovariate(1 / mean) if mean > 0 else 0.0
