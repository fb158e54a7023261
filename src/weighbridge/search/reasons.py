"""Why a choice is on the list, in sentences that hold for its plan."""

from __future__ import annotations

from collections.abc import Sequence

from weighbridge.formats.quality import Published
from weighbridge.hardware.prices import RENT, dated, spoken
from weighbridge.search.candidates import ENGINES
from weighbridge.search.choice import Choice, order_of, published_of
from weighbridge.speed.ask import Answer, bound_by

BEST = {
    "cost": "the cheapest of all that keep to what was asked",
    "speed": "the fastest",
    "quality": "the best kept weights, at the least price",
    "tokens": "the cheapest by the token",
}


def reasons(choice: Choice, front: Sequence[Choice], rows: Sequence[Published]) -> list[str]:
    """What speaks for it and what to know of it."""
    return [*marks(choice, front), *fit(choice), *pace(choice), *quality(choice, rows),
            *price(choice)]  # fmt: skip


def marks(choice: Choice, front: Sequence[Choice]) -> list[str]:
    """In what it is the first of the front."""
    found = []
    for by, words in BEST.items():
        able = [c for c in front if by != "tokens" or c.per_million is not None]
        priced = by != "cost" or choice.cost not in {None, (0.0, 0.0)}
        if priced and able and min(able, key=lambda each, by=by: order_of(each, by)) is choice:  # type: ignore[misc]
            found.append(words)
    return found


def fit(choice: Choice) -> list[str]:
    """What it holds, and whether the bounds of the estimate agree."""
    verdict = choice.plan.verdict
    said = [verdict.because]
    if not verdict.sure:
        said.append("near the limit: it may not fit at the upper bound of the estimate")
    return said


def pace(choice: Choice) -> list[str]:
    """What sets its pace, and what the estimate rests on."""
    answer, card = choice.plan.speed, choice.candidate.rig.card
    if not isinstance(answer, Answer):
        return []
    said = [f"each token waits for {bound_by(answer.pace.decode)}"]
    engine = choice.candidate.engine.partition("==")[0]
    if ENGINES[engine].ranks and card.vendor != "NVIDIA":
        said.append(
            f"{engine} was timed on NVIDIA cards alone: on {card.vendor} the pace is an "
            "extrapolation from the card's rates"
        )
    return said


def quality(choice: Choice, rows: Sequence[Published]) -> list[str]:
    """What its formats cost by published figures, or that there are none."""
    if choice.candidate.weights == "auto" and choice.candidate.cache == "auto":
        return ["the weights as they are stored"]
    found = published_of(choice, rows)
    said = [
        f"{row.format}{' cache' if row.kind == 'kv_cache' else ''}: {row.model} {_lost(row)} of "
        f"its {row.metric} ({row.source})"
        if row.better == "higher"
        else f"{row.format}{' cache' if row.kind == 'kv_cache' else ''}: {row.metric} of "
        f"{row.model} is {abs(row.percent):.2g} % {'higher' if row.percent >= 0 else 'lower'} "
        f"({row.source})"
        for row in found
    ]
    if choice.candidate.weights != "auto" and not any(row.kind == "weights" for row in found):
        said.append(
            f"what {choice.candidate.weights} costs this family at this size is not published "
            "here: it is placed by its bits, and only by them"
        )
    if choice.candidate.cache != "auto" and not any(row.kind == "kv_cache" for row in found):
        said.append(f"what a cache in {choice.candidate.cache} costs is not published here")
    return said


def _lost(row: Published) -> str:
    return f"{'lost' if row.percent >= 0 else 'gained'} {abs(row.percent):.2g} %"


def price(choice: Choice) -> list[str]:
    """How many offers its price rests on, and how far they are apart."""
    if choice.candidate.rig.owned:
        return []
    if choice.price is None or choice.cost is None:
        return ["no price of this card is known"]
    offers = len(choice.price.quotes)
    low, high = choice.price.low, choice.price.high
    verb = "rents" if choice.price.kind == RENT else "sells"
    said = (
        f"a card {verb} for {spoken(low, high)} by {offers} "
        f"{'offer' if offers == 1 else 'offers'} of {dated(choice.price)}"
    )
    if low and high >= 2 * low:
        said += f", {high / low:.1f} times apart"
    return [f"{said}, and one offer is no market" if offers == 1 else said]
