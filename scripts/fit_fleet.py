"""Fit what schedulers cost beside the steps, and write fleet/constants.json.

`python -m scripts.fit_fleet` (extra `fit`: numpy, scipy; some minutes). Fitted on closed loops of
InferenceX (``fleet_rows``), on the mean time to the first token. ``dispatch`` is simulated on a
grid, for each simulation takes seconds, and read between its points; ``request`` is added. Both
come out by least squares in logarithms, where single rows far off hardly count: one value of all
engines, from which each may deviate, so that what an engine's few families cannot tell is that of
the others. The rows of ``fleet_held_out.csv.gz`` are simulated with constants of ``speed`` and of
the fleet that were both fitted without their family, on any engine.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from scripts import fit_speed
from scripts.fleet_rows import Seen, asked_at_once, closed_loop
from scripts.report import ROOT
from scripts.speed_rows import SERVING, TRUTH, write_rows
from weighbridge.fleet.constants import Scheduling, scheduling_data, scheduling_of
from weighbridge.speed.constants import Constants, constants_of

FILE = ROOT / "src" / "weighbridge" / "fleet" / "constants.json"
HELD_OUT = TRUTH / "fleet_held_out.csv.gz"
# Seconds of launching a kernel from the host: the grid.
GRID = (15e-6, 40e-6, 70e-6, 110e-6, 180e-6)
# What is expected before any row, and how far off all engines and one of them may be (logarithms).
PRIOR = Scheduling(0.01, 50e-6)
WIDTH, OWN = 0.7, 0.4
SCALE = 0.25
# The largest rows take as long as all others together, and say no more.
MOST_USERS = 256
# Constants are fitted on so many rows of an engine, evenly taken, of this many users at most, that
# were measured since the benchmark warms servers up (InferenceX d053ae24e): before, the first wave
# waits for kernels to be compiled.
MOST_ROWS, FEW_USERS, WARMED_UP = 40, 32, "2026-01-21"
# Of the closed loops so many are simulated without their family: one of EVERY, evenly taken.
EVERY = 3

Row = dict[str, str]


def usable_rows() -> list[Row]:
    rows = fit_speed.load_rows()
    good = fit_speed.usable(rows)
    return [
        row for row, keep in zip(rows.table, good, strict=True)
        if keep and asked_at_once(row) and int(row["concurrency"]) <= MOST_USERS
    ]  # fmt: skip


def some_of(rows: list[Row]) -> list[Row]:
    """The rows of all engines on which constants are fitted."""
    found: list[Row] = []
    for engine in fit_speed.ENGINES:
        mine = [
            row for row in rows
            if row["engine"] == engine and int(row["concurrency"]) <= FEW_USERS
            and row["measured"] >= WARMED_UP
        ]  # fmt: skip
        found += mine[:: max(len(mine) // MOST_ROWS, 1)]
    return found


def simulated(rows: list[Row], speeds: dict[str, Constants]) -> Any:
    """Seconds to the first token at each point of the grid, nothing before the scheduler."""
    return np.array([
        [closed_loop(row, speeds[row["engine"]], Scheduling(dispatch=each)).ttft for row in rows]
        for each in GRID
    ])  # fmt: skip


def fit(rows: list[Row], speeds: dict[str, Constants]) -> dict[str, Scheduling]:
    """The constants of every engine from these rows, given those of speed."""
    from scipy.optimize import least_squares

    some = some_of(rows)
    firsts, count = np.log(simulated(some, speeds)), len(fit_speed.ENGINES)
    engine = np.array([fit_speed.ENGINES.index(row["engine"]) for row in some])
    truth = np.log([float(row["ttft_ms"]) / 1e3 for row in some])
    points = np.log(GRID)

    def values(vector: Any) -> Any:
        """``request`` and ``dispatch`` of each engine, in logarithms."""
        return vector[:2, None] + vector[2:].reshape(2, count) + np.log(PRIOR[:2])[:, None]

    def residuals(vector: Any) -> Any:
        request, dispatch = values(vector)
        place = np.clip(np.searchsorted(points, dispatch[engine]) - 1, 0, len(points) - 2)
        part = (dispatch[engine] - points[place]) / (points[place + 1] - points[place])
        at = np.arange(len(some))
        first = firsts[place, at] * (1 - part) + firsts[place + 1, at] * part
        error = np.log(np.exp(first) + np.exp(request[engine])) - truth
        held = np.concatenate([vector[:2] / WIDTH, vector[2:] / OWN])
        return np.concatenate([np.arctan(error / SCALE), held])

    found = values(least_squares(residuals, np.zeros(2 + 2 * count)).x)
    return {
        name: Scheduling(*(float(x) for x in np.exp(found[:, i])), rows=int((engine == i).sum()))
        for i, name in enumerate(fit_speed.ENGINES)
    }


def speeds_without(family: str) -> dict[str, Constants]:
    """Constants of speed of every engine, fitted without a family."""
    rows = fit_speed.load_rows()
    others = np.array([row["family"] != family for row in rows.table])
    values = fit_speed.fit_all(fit_speed.select(rows, fit_speed.fittable(rows) & others))
    return {
        engine: Constants(**{name: float(value[i]) for name, value in values.items()})
        for i, engine in enumerate(fit_speed.ENGINES)
    }


def held_out(rows: list[Row], listed: list[Row]) -> list[dict[str, Any]]:
    """The listed rows without their family: constants fitted on the other families' rows."""
    lines: dict[str, dict[str, Any]] = {}
    for family in sorted({row["family"] for row in listed}):
        speeds = speeds_without(family)
        known = fit([row for row in rows if row["family"] != family], speeds)
        for row in listed:
            if row["family"] == family:
                engine = row["engine"]
                lines[row["id"]] = line(row, closed_loop(row, speeds[engine], known[engine]))
        print(family, known, flush=True)
    return [lines[row["id"]] for row in listed]


def line(row: Row, seen: Seen) -> dict[str, Any]:
    """What a row is without its family, and what it is with the constants that are shipped."""
    fitted = constants_of(row["engine"])
    assert fitted is not None
    own = closed_loop(row, fitted.constants, scheduling_of(row["engine"]))
    return {
        "id": row["id"],
        **{name: round(value, 6) for name, value in seen._asdict().items()},
        **{f"fitted_{name}": round(value, 6) for name, value in own._asdict().items()},
    }


def entry(rows: list[Row], engine: str, known: Scheduling) -> dict[str, Any]:
    families = ", ".join(sorted({row["family"] for row in rows if row["engine"] == engine}))
    return {
        "request": float(f"{known.request:.4g}"),
        "dispatch": float(f"{known.dispatch:.4g}"),
        "rows": known.rows,
        "source": f"closed loops of InferenceX in tests/truth/{SERVING.name}: {families}",
    }


def main() -> None:
    rows = usable_rows()
    speeds = {}
    for engine in fit_speed.ENGINES:
        fitted = constants_of(engine)
        assert fitted is not None
        speeds[engine] = fitted.constants
    known = fit(rows, speeds)
    entries = {engine: entry(rows, engine, known[engine]) for engine in known}
    FILE.write_text(json.dumps({"engines": entries}, indent=1) + "\n", encoding="utf-8")
    scheduling_data.cache_clear()
    write_rows(HELD_OUT, held_out(rows, rows[::EVERY]))


if __name__ == "__main__":
    main()
