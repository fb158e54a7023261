"""Why the obvious alternatives lost: each is planned, and its plan says it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import inf
from typing import Literal, NamedTuple

from weighbridge.hardware.cards import find_card
from weighbridge.hardware.prices import PURCHASE, RENT
from weighbridge.search.candidates import ENGINES, Candidate, Rig, layouts
from weighbridge.search.choice import ALIKE, Choice, Wish, middle
from weighbridge.search.pace import Estimate
from weighbridge.units import format_bytes

# What people think of first, each by itself with the weights as they are stored.
OBVIOUS = ("rtx-4090", "h100-sxm")
Why = Literal["memory", "tpot", "ttft", "price", "power", "refused", "beaten", "trade"]
Make = Callable[[Candidate], Choice | None]


class Row(NamedTuple):
    """A candidate that could be planned, with what put it in its place."""

    cost: float
    quality: tuple[float, float]
    candidate: Candidate
    pace: Estimate


class Loser(NamedTuple):
    """An alternative to the first choice, and what its plan says against it.

    ``against`` is who beats it, or the first choice that it is compared with.
    """

    what: str
    candidate: Candidate
    why: Why
    because: str
    choice: Choice | None = None
    against: Choice | None = None


def losers_of(
    listed: Sequence[Choice],
    front: Sequence[Choice],
    wish: Wish,
    rows: Sequence[Row],
    make: Make,
    *,
    free: bool,
) -> tuple[Loser, ...]:
    """The alternatives of the first choice that were not taken; ``free`` where any card may be."""
    taken = {choice.candidate for choice in listed}
    found: dict[Candidate, Loser] = {}
    tried = list(_alternatives(listed[0], rows)) if listed else []
    tried += list(_obvious(rows)) if free else []
    for what, candidate in tried:
        if candidate not in taken and candidate not in found:
            found[candidate] = _judged(what, candidate, make(candidate), listed, front, wish)
    return tuple(found.values())


def _alternatives(first: Choice, rows: Sequence[Row]) -> Iterator[tuple[str, Candidate]]:
    """What one would ask of the first choice: fewer cards, other weights, another engine."""
    candidate, rig = first.candidate, first.candidate.rig
    runs = ENGINES[candidate.engine.partition("==")[0]]
    if rig.size > 1:
        half = rig._replace(size=rig.size // 2)
        layout = layouts(half.size, runs, 1)[0]
        yield "half the cards", candidate._replace(rig=half, layout=layout)
    if candidate.weights != "auto" and "auto" in runs.weights:
        yield "the weights as they are stored", candidate._replace(weights="auto")
    same = [row for row in rows if row.candidate.rig == rig]
    smaller = [
        row for row in same
        if row.quality > first.quality and row.candidate.engine == candidate.engine
        and row.candidate.layout == candidate.layout
    ]  # fmt: skip
    if smaller:
        yield "smaller weights or cache", smaller[0].candidate
    for engine in dict.fromkeys(row.candidate.engine for row in same):
        if engine != candidate.engine:
            yield "another engine", next(r.candidate for r in same if r.candidate.engine == engine)
    if rows:
        yield "the fastest of all", min(rows, key=lambda row: row.pace.tpot).candidate
        cheapest = next((row for row in rows if row.candidate.rig.name != rig.name), None)
        if cheapest is not None and cheapest.cost < middle(first.cost):
            yield "the cheapest", cheapest.candidate


def _obvious(rows: Sequence[Row]) -> Iterator[tuple[str, Candidate]]:
    engines = {row.candidate.engine for row in rows} or {"vllm"}
    served = [engine for engine in ENGINES if engine in engines and ENGINES[engine].ranks]
    for name in OBVIOUS:
        rig = Rig(find_card(name), 1)
        if served:
            layout = layouts(1, ENGINES[served[0]], 1)[0]
            yield "the first that comes to mind", Candidate(rig, served[0], "auto", "auto", layout)


def _judged(
    what: str,
    candidate: Candidate,
    choice: Choice | None,
    listed: Sequence[Choice],
    front: Sequence[Choice],
    wish: Wish,
) -> Loser:
    """What its plan says against it; the first thing that does."""
    if choice is None:
        return Loser(what, candidate, "refused", "the engine refuses it, or is not timed there")
    if choice.plan.fits is not True:
        return Loser(what, candidate, "memory", _misses(choice), choice)
    limit = _over(choice, wish)
    if limit is not None:
        return Loser(what, candidate, *limit, choice)
    fronted = any(each.candidate == candidate for each in front)
    winner = next((each for each in front if beats(each, choice)), None)
    if winner is not None and not fronted:
        told = f"{winner.candidate.said} is {_versus(winner, choice)}"
        return Loser(what, candidate, "beaten", told, choice, winner)
    told = f"{_versus(choice, listed[0])}, compared with the first" if listed else "it would do"
    return Loser(what, candidate, "trade", told, choice, listed[0] if listed else None)


def _misses(choice: Choice) -> str:
    """How much is missing, or the engine's own words."""
    short = [
        (device.total - (device.usable or 0), device.name) for device in choice.plan.devices
        if device.total > (device.usable or 0)
    ]  # fmt: skip
    if not short:
        return choice.plan.verdict.because
    missing, name = max(short)
    return f"{format_bytes(missing)} too little on {name} at {choice.plan.context:,} tokens"


def _over(choice: Choice, wish: Wish) -> tuple[Why, str] | None:
    pace = choice.pace
    if pace.tpot > (wish.tpot or inf):
        return "tpot", f"{pace.tpot:.3g} s per token, more than {wish.tpot:g}"
    if pace.ttft > (wish.ttft or inf):
        return "ttft", f"{pace.ttft:.3g} s to the first token, more than {wish.ttft:g}"
    if choice.watts is not None and choice.watts > (wish.power or inf):
        return "power", f"{choice.watts:,} W, more than {wish.power:,g}"
    limits = {RENT: wish.price_per_hour, PURCHASE: wish.purchase_price}
    limit = None if choice.price is None else limits[choice.price.kind]
    if limit is not None and choice.cost is not None and choice.cost[0] > limit:
        return "price", f"from ${choice.cost[0]:,.2f}, more than ${limit:,g}"
    return None


def beats(one: Choice, other: Choice) -> bool:
    """Whether one is as cheap, as good and as fast as the other."""
    return (
        middle(one.cost) <= middle(other.cost)
        and one.quality <= other.quality
        and one.pace.tpot <= other.pace.tpot * ALIKE
    )


def _versus(one: Choice, other: Choice) -> str:
    """One against the other: speed, price and quality."""
    parts = [_ratio(other.pace.tpot / one.pace.tpot, "the speed")]
    ours, theirs = middle(one.cost), middle(other.cost)
    if 0 < ours < inf and 0 < theirs < inf:
        parts.append(_ratio(ours / theirs, "the price"))
    if one.quality != other.quality:
        parts.append("better kept" if one.quality < other.quality else "worse kept")
    return ", ".join(parts)


def _ratio(ratio: float, what: str) -> str:
    if 1 / ALIKE <= ratio <= ALIKE:
        return f"about {what}"
    return f"{ratio:.1f} times {what}" if ratio > 1 else f"{ratio:.2f} of {what}"
