"""What is wished for, and one way to have it: planned, priced and placed by its quality."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf, sqrt
from typing import Any, NamedTuple

from weighbridge.formats.cache import find_cache_format
from weighbridge.formats.quality import Published, cost_of, cost_of_cache
from weighbridge.hardware.prices import PURCHASE, RENT, Price
from weighbridge.planner import Plan
from weighbridge.request import Request
from weighbridge.search.candidates import Candidate, Rig
from weighbridge.search.pace import Estimate

# Estimates of time that differ by less are taken for the same: their own bounds are far wider.
ALIKE = 1.1


class Wish(NamedTuple):
    """What the answer must keep to, what it is ordered by, and what is paid."""

    ttft: float | None = None
    tpot: float | None = None
    price_per_hour: float | None = None
    purchase_price: float | None = None
    power: float | None = None
    owned: str | None = None
    pay: str | None = None
    by: str = "cost"
    least_bits: float = 4.0
    most: int = 5
    prices: str | None = None

    @property
    def kind(self) -> str:
        """The kind of price that is compared: bought where a purchase is limited."""
        bought = self.purchase_price is not None and self.price_per_hour is None
        return self.pay or (PURCHASE if bought else RENT)


class Choice(NamedTuple):
    """A candidate that was planned: its plan and pace, its price and the place of its quality.

    ``level`` is 0 for the best weights, ``cache_bits`` of an element of the cache.
    """

    candidate: Candidate
    request: Request
    plan: Plan
    pace: Estimate
    price: Price | None
    level: int
    cache_bits: float

    @property
    def cost(self) -> tuple[float, float] | None:
        """Lowest and highest price of the rig; None where it is not known, 0 where owned."""
        return cost_of_rig(self.candidate.rig, self.price)

    @property
    def tokens_per_second(self) -> float:
        """Of all sequences together."""
        return self.request.workload.concurrency / self.pace.tpot

    @property
    def per_million(self) -> tuple[float, float] | None:
        """Dollars for a million generated tokens at this load, where the rig is rented."""
        if self.price is None or self.price.kind != RENT or self.cost is None:
            return None
        hours = 1e6 / self.tokens_per_second / 3600
        return self.cost[0] * hours, self.cost[1] * hours

    @property
    def watts(self) -> int | None:
        """Board power of all cards."""
        card = self.candidate.rig.card
        return None if card.watts is None else card.watts * self.candidate.rig.size

    @property
    def quality(self) -> tuple[float, float]:
        """Lower is better: the place of the weights' format, then the cache's bits."""
        return self.level, -self.cache_bits


def cost_of_rig(rig: Rig, price: Price | None) -> tuple[float, float] | None:
    """Lowest and highest price of all its cards."""
    if rig.owned:
        return 0.0, 0.0
    return None if price is None else price.times(rig.size)


def middle(cost: tuple[float, float] | None) -> float:
    """The figure by which ranges are put in order: their geometric mean; unknown ones last."""
    return inf if cost is None else sqrt(cost[0] * cost[1])


def short_list(front: Iterable[Choice], wish: Wish) -> tuple[Choice, ...]:
    """The first of each rig in the order of ``wish.by``, then others, as many as were asked for."""
    ordered = sorted(front, key=lambda choice: order_of(choice, wish.by))
    first = {choice.candidate.rig.name: choice for choice in reversed(ordered)}
    kept = [choice for choice in ordered if first[choice.candidate.rig.name] is choice]
    taken = {choice.candidate for choice in kept}
    others = [choice for choice in ordered if choice.candidate not in taken]
    return tuple([*kept, *others][: wish.most])


def order_of(choice: Choice, by: str) -> tuple[Any, ...]:
    """The key that puts the best choice first."""
    cost, pace, quality = middle(choice.cost), choice.pace.tpot, choice.quality
    if by == "speed":
        return pace, cost, quality
    if by == "quality":
        return quality, cost, pace
    if by == "tokens":
        return middle(choice.per_million), quality, pace
    return cost, quality, pace


def cache_bits(dtype: str) -> float:
    """Bits of an element of the cache; 16 where the engine chooses."""
    return 16.0 if dtype == "auto" else find_cache_format(dtype).bits


def published_of(choice: Choice, rows: Iterable[Published]) -> tuple[Published, ...]:
    """What is published of its formats, weights and cache."""
    weights = choice.plan.settings["weights"]
    kept = choice.candidate.cache
    return (*cost_of(weights, rows), *(cost_of_cache(kept) if kept != "auto" else ()))
