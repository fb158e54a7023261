"""The fewest cards that meet an objective: by replicas, and by how many cards share a layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from weighbridge.fleet.engines import Engine
from weighbridge.fleet.fleet import Run
from weighbridge.fleet.metrics import Objective

MOST_REPLICAS = 4096
ALONE = 1.05


class Found(NamedTuple):
    """An engine and the run with the fewest of its replicas that meets the objective."""

    engine: Engine
    run: Run


Try = Callable[[Engine, int], Run]


def meets(run: Run, objective: Objective) -> bool:
    """Whether enough of the requests met every objective."""
    return run.measures.met * 100 >= objective.share


def fewest_replicas(
    engine: Engine, run: Try, objective: Objective, most: int = MOST_REPLICAS, start: int = 1
) -> Run | None:
    """The fewest replicas up to ``most`` that meet the objective; None where none does.

    Doubles until it is met and then halves the gap: more replicas never serve worse.
    """
    low, high = 0, min(start, most)
    best = None
    while best is None:
        tried = run(engine, high)
        if meets(tried, objective):
            best = tried
        elif high >= most or _hopeless(tried):
            return None
        else:
            low, high = high, min(high * 2, most)
    while high - low > 1:
        middle = (low + high) // 2
        tried = run(engine, middle)
        if meets(tried, objective):
            best, high = tried, middle
        else:
            low = middle
    return best


def possible(seconds: tuple[float, float, float], objective: Objective) -> bool:
    """Whether a request that meets nobody is served in time."""
    asked = (objective.ttft, objective.tpot, objective.e2e)
    return all(most is None or own <= most for own, most in zip(seconds, asked, strict=True))


def _hopeless(run: Run) -> bool:
    """Sequences are nearly alone on their replicas, so that more replicas help nobody."""
    return run.use.batch < ALONE


def fewest_cards(engines: Sequence[Engine], run: Try, objective: Objective) -> tuple[Found, ...]:
    """Each engine's fewest replicas, fewest cards first; one that would need more is left out."""
    found: list[Found] = []
    best: int | None = None
    for engine in engines:
        most = MOST_REPLICAS if best is None else max(best // engine.cards, 0)
        if not most:
            continue
        reached = fewest_replicas(engine, run, objective, most, _guess(engine, best))
        if reached is not None:
            found.append(Found(engine, reached))
            best = reached.cards if best is None else min(best, reached.cards)
    return tuple(sorted(found, key=lambda each: (each.run.cards, each.run.measures.e2e.p95)))


def _guess(engine: Engine, best: int | None) -> int:
    return 1 if best is None else max(best // engine.cards, 1)
