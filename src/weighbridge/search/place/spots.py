"""Where each block of a model lies, and the search that every engine's file shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from weighbridge.planner import Plan
from weighbridge.request import Request
from weighbridge.search.place.chain import Found, Problem, solve
from weighbridge.search.place.clock import Seconds

HOST, DISK = -1, -2
EMBEDDING, HEAD = "embedding", "head"
ROUNDS = 4


class Spot(NamedTuple):
    """A block's device, ``HOST`` or ``DISK``; ``moved`` is where its feed-forward matrices (or
    routed experts) lie where that is elsewhere."""

    block: str
    home: int
    moved: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """The spot as JSON prints it."""
        found = {"block": self.block, "device": place_name(self.home)}
        return found if self.moved is None else {**found, "feed_forward": place_name(self.moved)}


Spots = tuple[Spot, ...]


def place_name(device: int) -> str:
    """``gpu 0``, ``host`` or ``disk``."""
    return {HOST: "host", DISK: "disk"}.get(device, f"gpu {device}")


class Tried(NamedTuple):
    """A placement that was planned: the options that make it, its seconds, whether all fits.

    ``used`` are the bytes of each GPU, ``fixed`` those of them that are not the blocks' own, the
    host the last of both; ``limits`` what each may hold; ``weights`` those of each GPU.
    ``exact`` says that it is the optimum under these limits; where it is not known to be, none is
    faster by more than the share ``gap``.
    """

    spots: Spots
    options: dict[str, Any]
    seconds: Seconds
    used: tuple[int, ...]
    fixed: tuple[int, ...]
    limits: tuple[int, ...]
    exact: bool = True
    gap: float = 0.0
    weights: tuple[int, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether every device and the host hold their part."""
        return all(used <= limit for used, limit in zip(self.used, self.limits, strict=True))


class Weighting(NamedTuple):
    """What is minimized: seconds of a token, and of a prompt's token times ``prefill``."""

    prefill: float
    prompt: int

    def of(self, seconds: Seconds) -> float:
        """The one number."""
        return seconds.decode + self.prefill * seconds.prompt / max(self.prompt, 1)


class Answer(NamedTuple):
    """What an engine's file finds: the best, what the engine does by itself, and its plan."""

    best: Tried | None
    automatic: Tried | None
    plan: Callable[[Tried], Plan]
    why_not: str = ""
    own_name: str = ""


Make = Callable[[Sequence[int]], Problem]
Try = Callable[[Found], Tried]


def search(make: Make, attempt: Try, start: Sequence[int]) -> Iterator[Tried]:
    """Placements that fit: solved with what the devices hold beside the blocks, planned by the
    engine's own rules, and solved again with what those say, until nothing changes.

    Later rounds never take back what an earlier one found to be needed, so that it ends.
    """
    fixed = tuple(start)
    for round_ in range(ROUNDS):
        found = solve(make(fixed))
        if found is None:
            return
        tried = attempt(found)._replace(
            exact=found.exact, gap=0.0 if found.exact else 1 - found.bound / found.seconds
        )
        if tried.fits:
            yield tried
        if tried.fixed == fixed:
            return
        kept = tried.fixed
        if round_ >= ROUNDS // 2:
            kept = tuple(max(old, new) for old, new in zip(fixed, tried.fixed, strict=True))
        fixed = kept


def best_of(tried: Sequence[Tried], weigh: Weighting) -> Tried | None:
    """The fastest of those that fit."""
    fitting = [each for each in tried if each.fits]
    return min(fitting, key=lambda each: weigh.of(each.seconds), default=None)


def changed(request: Request, options: dict[str, Any]) -> Request:
    """The request with a placement's options."""
    deployment = request.deployment
    own = {**deployment.own, **{k: v for k, v in options.items() if k not in deployment._fields}}
    common = {k: v for k, v in options.items() if k in deployment._fields}
    return request._replace(deployment=deployment._replace(**common, own=own))
