"""What no placement can be faster than: the Lagrangian bound of the chain's problem.

Each byte of a station and of the host gets a price in seconds; without limits every block then
takes its cheapest choice, and the prices of all the memory there is are given back. Any prices of 0
or more give a lower bound (Lagrangian relaxation: Fisher, Management Science 27(1), 1981), and
subgradient steps towards a known end (Polyak) find good ones. The same prices bound what is still
to come behind any label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

UNBOUNDED = 2**62
STEPS = 120


class Choice(NamedTuple):
    """A way to keep a block: seconds of a step, bytes of the station and of the host."""

    tag: str
    seconds: float
    own: int
    host: int = 0


Table = list[list[list[Choice]]]


class Bounds(NamedTuple):
    """``prices`` per byte of each station, ``price`` of the host; ``after[block][station]`` the
    least of the blocks from there on, on this station or a later one, less what is left."""

    root: float
    prices: tuple[float, ...]
    price: float
    after: tuple[tuple[float, ...], ...]

    def rest(self, block: int, station: int, own: int, host: int) -> float:
        """No less than the seconds of the blocks from ``block`` on, behind such a label."""
        paid = own * self.prices[station] + host * self.price
        return max(self.after[block][station] + paid, 0.0)


def bounds_of(table: Table, limits: Sequence[int], host: int, counted: int, known: float) -> Bounds:
    """The best prices that the steps find."""
    sizes = [limit if 0 < limit < UNBOUNDED else 0 for limit in limits]
    room = host * counted
    kinds = Counter(
        tuple(
            (station, choice.seconds, choice.own, choice.host * counted)
            for station, choices in enumerate(rows)
            for choice in choices
            if choice.own <= limits[station]
        )
        for rows in table
    )
    best, prices, price = _ascended(kinds, sizes, room, known)
    after = _after(table, sizes, room, counted, prices, price)
    return Bounds(best, tuple(prices), price, after)


Kinds = Counter[tuple[tuple[int, float, int, int], ...]]


def _ascended(
    kinds: Kinds, sizes: Sequence[int], room: int, known: float
) -> tuple[float, list[float], float]:
    """Subgradient ascent; bytes are counted as shares of their limits, so that steps are even."""
    shares, share = [0.0] * len(sizes), 0.0
    best, kept = -1.0, ([0.0] * len(sizes), 0.0)
    for step in range(STEPS):
        value, used, held = _relaxed(kinds, sizes, room, shares, share)
        if value > best:
            best, kept = value, ([*shares], share)
        slope = [u - 1 if size else 0.0 for u, size in zip(used, sizes, strict=True)]
        tilt = held - 1 if room else 0.0
        length = sum(s * s for s in slope) + tilt * tilt
        if not length or value >= known:
            break
        stride = (known - value) / length * (1.0 if step < STEPS // 2 else 0.3)
        shares = [max(s + stride * g, 0.0) for s, g in zip(shares, slope, strict=True)]
        share = max(share + stride * tilt, 0.0)
    prices = [s / size if size else 0.0 for s, size in zip(kept[0], sizes, strict=True)]
    return best, prices, kept[1] / room if room else 0.0


def _relaxed(
    kinds: Kinds, sizes: Sequence[int], room: int, shares: Sequence[float], share: float
) -> tuple[float, list[float], float]:
    """The bound of these prices, and the shares of each limit that its choices take."""
    prices = [s / size if size else 0.0 for s, size in zip(shares, sizes, strict=True)]
    price = share / room if room else 0.0
    value, held, used = -sum(shares) - share, 0.0, [0.0] * len(sizes)
    for ways, count in kinds.items():
        least, station, own, host = min(
            (seconds + own * prices[station] + host * price, station, own, host)
            for station, seconds, own, host in ways
        )
        value += least * count
        used[station] += own * count / sizes[station] if sizes[station] else 0.0
        held += host * count / room if room else 0.0
    return value, used, held


def _after(
    table: Table,
    sizes: Sequence[int],
    room: int,
    counted: int,
    prices: Sequence[float],
    price: float,
) -> tuple[tuple[float, ...], ...]:
    stations = range(len(sizes))
    rows = [[-_left(sizes, prices, station) - room * price for station in stations]]
    for choices in reversed(table):
        least = float("inf")
        cheapest = [0.0] * len(sizes)
        for station in reversed(stations):
            for choice in choices[station]:
                cost = choice.seconds + choice.own * prices[station]
                least = min(least, cost + choice.host * counted * price)
            cheapest[station] = least
        rows.append([before + each for before, each in zip(rows[-1], cheapest, strict=True)])
    return tuple(tuple(row) for row in reversed(rows))


def _left(sizes: Sequence[int], prices: Sequence[float], station: int) -> float:
    """What the memory of this station and the later ones is worth."""
    return sum(prices[later] * sizes[later] for later in range(station, len(sizes)))
