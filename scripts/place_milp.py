"""The chain's problem as a mixed-integer program, written anew for HiGHS (scipy.optimize.milp)."""

from __future__ import annotations

from typing import Any

from weighbridge.search.place.bounds import UNBOUNDED
from weighbridge.search.place.chain import Problem


def optimum(problem: Problem) -> float | None:
    """The least seconds by HiGHS; None where there is no placement.

    One binary variable for every block, station and choice. Blocks keep the order of the stations;
    a hop is paid where two neighbours lie on different ones, by a variable for each such pair.
    """
    import numpy as np
    from scipy.optimize import Bounds, LinearConstraint, milp

    stations, blocks = range(len(problem.limits)), range(problem.blocks)
    ways = [(b, s, choice) for b in blocks for s in stations for choice in problem.choices(b, s)]
    hops = [(b, p, q) for b in blocks[1:] for p in stations for q in stations if p < q]
    count = len(ways) + len(hops)
    cost = np.array([w[2].seconds for w in ways] + [problem.hop(p, q) for _, p, q in hops])
    rows: list[Any] = []
    lows: list[float] = []
    highs: list[float] = []

    def row(low: float, high: float) -> Any:
        rows.append(np.zeros(count))
        lows.append(low)
        highs.append(high)
        return rows[-1]

    at: dict[tuple[int, int], list[int]] = {}
    for b in blocks:
        one = row(1, 1)
        for index, (block, s, _) in enumerate(ways):
            if block == b:
                one[index] = 1
                at.setdefault((b, s), []).append(index)
    unit = 2**30
    for s in stations:
        if problem.limits[s] < UNBOUNDED:
            own = row(-np.inf, problem.limits[s] / unit)
            for index, (_, station, choice) in enumerate(ways):
                own[index] = choice.own / unit if station == s else 0
    host = row(-np.inf, problem.host / unit)
    host[: len(ways)] = [choice.host / unit for _, _, choice in ways]
    for b in blocks[1:]:
        order = row(0, np.inf)
        for s in stations:
            order[at.get((b, s), [])] = s
            order[at.get((b - 1, s), [])] = -s
    for index, (b, p, q) in enumerate(hops):
        paid = row(-1, np.inf)
        paid[len(ways) + index] = 1
        paid[at.get((b - 1, p), [])] = -1
        paid[at.get((b, q), [])] = -1
    found = milp(
        cost,
        constraints=LinearConstraint(np.array(rows), lows, highs),
        integrality=np.array([1] * count),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 1e-7, "time_limit": 60},
    )
    return float(found.fun) if found.status == 0 else None
