"""Fit what schedulers cost beside the steps, and write fleet/constants.json.

`python -m scripts.fit_fleet` (extra `fit`: numpy, scipy; some minutes). Fitted on closed loops of
InferenceX (``fleet_rows``), on the mean time to the first token. ``latent`` is tried on a grid, for
each simulation takes seconds; ``request`` comes out by least squares in logarithms, where single
rows far off hardly count. The rows of ``fleet_held_out.csv.gz`` are
simulated with constants of ``speed`` and of the fleet that were both fitted without their family.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from scripts import fit_speed
from scripts.fleet_rows import Seen, asked_at_once, closed_loop
from scripts.report import ROOT
from scripts.speed_rows import SERVING, TRUTH, write_rows
from weighbridge.fleet.constants import Scheduling, scheduling_of
from weighbridge.speed.constants import Constants, constants_of

FILE = ROOT / "src" / "weighbridge" / "fleet" / "constants.json"
HELD_OUT = TRUTH / "fleet_held_out.csv.gz"
# Seconds of launching a layer of latent attention from the host: the grid.
GRID = (0.0, 0.001, 0.002, 0.003)
PRIOR = Scheduling(0.01, 0.001)
SCALE = 0.25
# The largest rows take as long as all others together, and say no more.
MOST_USERS = 256
# Constants are fitted on so many rows, evenly taken.
MOST_ROWS = 60
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


def simulated(rows: list[Row], speeds: Constants, known: Scheduling) -> Any:
    """Seconds to the first token and per token of every row, nothing before the scheduler."""
    return np.array([closed_loop(row, speeds, known)[:2] for row in rows])


def measured(rows: list[Row]) -> Any:
    return np.array([[float(r["ttft_ms"]) / 1e3, float(r["tpot_ms"]) / 1e3] for r in rows])


def before(found: Any, truth: Any) -> tuple[float, float]:
    """``request`` that fits best, and how badly it does."""
    from scipy.optimize import least_squares

    def residuals(vector: Any) -> Any:
        first = found[:, 0] + np.exp(vector[0])
        own = np.arctan(np.log(first / truth[:, 0]) / SCALE)
        return np.concatenate([own, 0.3 * (vector - np.log(PRIOR.request))])

    best = least_squares(residuals, [np.log(PRIOR.request)])
    return float(np.exp(best.x[0])), float(best.cost)


def fit(rows: list[Row], speeds: Constants) -> Scheduling:
    """The constants of these rows (of some of them, where they are many), given those of speed."""
    some = rows[:: max(len(rows) // MOST_ROWS, 1)]
    truth, tries = measured(some), []
    for latent in GRID:
        request, cost = before(simulated(some, speeds, Scheduling(latent=latent)), truth)
        tries.append((cost, Scheduling(request, latent)))
    return min(tries, key=lambda each: each[0])[1]._replace(rows=len(some))


def speeds_without(family: str) -> dict[str, Constants]:
    """Constants of speed of every engine, fitted without a family."""
    rows = fit_speed.load_rows()
    others = np.array([row["family"] != family for row in rows.table])
    values = fit_speed.fit_all(fit_speed.select(rows, fit_speed.fittable(rows) & others))
    return {
        engine: Constants(**{name: float(value[i]) for name, value in values.items()})
        for i, engine in enumerate(fit_speed.ENGINES)
    }


def held_out(rows: list[Row]) -> list[dict[str, Any]]:
    """Rows without their family: fitted on the other families of their engine, where there are."""
    lines: dict[str, dict[str, Any]] = {}
    for family in sorted({row["family"] for row in rows}):
        speeds = speeds_without(family)
        for engine in sorted({row["engine"] for row in rows if row["family"] == family}):
            mine = [row for row in rows if row["family"] == family and row["engine"] == engine]
            others = [row for row in rows if row["family"] != family and row["engine"] == engine]
            known = fit(others, speeds[engine]) if others else PRIOR
            for row in mine:
                lines[row["id"]] = line(row, closed_loop(row, speeds[engine], known))
    return [lines[row["id"]] for row in rows]


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


def main() -> None:
    rows = usable_rows()
    entries = {}
    for engine in fit_speed.ENGINES:
        mine = [row for row in rows if row["engine"] == engine]
        fitted = constants_of(engine)
        assert fitted is not None
        known = fit(mine, fitted.constants)
        families = ", ".join(sorted({row["family"] for row in mine}))
        entries[engine] = {
            "request": float(f"{known.request:.4g}"),
            "latent": known.latent,
            "rows": known.rows,
            "source": f"closed loops of InferenceX in tests/truth/{SERVING.name}: {families}",
        }
    FILE.write_text(json.dumps({"engines": entries}, indent=1) + "\n", encoding="utf-8")
    write_rows(HELD_OUT, held_out(rows[::EVERY]))


if __name__ == "__main__":
    main()
