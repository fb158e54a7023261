"""Lengths of prompts and answers: all alike, uniform, lognormal, or as a trace has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp, log, sqrt
from random import Random
from typing import NamedTuple

from weighbridge.errors import RequestError

KINDS = "fixed, uniform:LOW-HIGH or lognormal:CV"


class Lengths(NamedTuple):
    """A distribution of tokens: its kind, its mean, and what else it needs.

    ``low`` and ``high`` bound a uniform one; ``cv`` is the deviation over the mean of a lognormal.
    """

    kind: str
    mean: float
    low: int = 1
    high: int = 1
    cv: float = 0.0

    def to_dict(self) -> dict[str, float | str]:
        """What is said of it."""
        if self.kind == "uniform":
            return {"kind": self.kind, "mean": self.mean, "low": self.low, "high": self.high}
        if self.kind == "lognormal":
            return {"kind": self.kind, "mean": self.mean, "cv": self.cv}
        return {"kind": self.kind, "mean": self.mean}


def parse_lengths(text: str, mean: int, what: str) -> Lengths:
    """``fixed``, ``uniform:512-1536`` or ``lognormal:1.2`` about ``mean`` tokens."""
    kind, _, rest = text.strip().partition(":")
    try:
        if kind == "fixed" and not rest:
            return Lengths(kind, mean)
        if kind == "uniform":
            low, high = (int(part) for part in rest.split("-"))
            if 1 <= low <= high <= 10**7:
                return Lengths(kind, (low + high) / 2, low, high)
        if kind == "lognormal":
            cv = float(rest)
            if 0 < cv <= 100:
                return Lengths(kind, mean, cv=cv)
    except ValueError:
        pass
    raise RequestError(f"{what} {text[:40]!r} is not a distribution; write {KINDS}")


def draw(lengths: Lengths, count: int, random: Random, most: int) -> list[int]:
    """``count`` lengths of 1 to ``most`` tokens."""
    one = _DRAWS[lengths.kind](lengths, random)
    return [min(max(one(), 1), most) for _ in range(count)]


def _fixed(lengths: Lengths, _random: Random) -> Callable[[], int]:
    return lambda: round(lengths.mean)


def _uniform(lengths: Lengths, random: Random) -> Callable[[], int]:
    return lambda: random.randint(lengths.low, lengths.high)


def _lognormal(lengths: Lengths, random: Random) -> Callable[[], int]:
    spread = log(1 + lengths.cv**2)
    middle = log(lengths.mean) - spread / 2
    return lambda: round(exp(random.gauss(middle, sqrt(spread))))


_DRAWS = {"fixed": _fixed, "uniform": _uniform, "lognormal": _lognormal}


def mean_of(values: Sequence[int]) -> float:
    """The mean of lengths."""
    return sum(values) / max(len(values), 1)
