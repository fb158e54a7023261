"""Samples → constants, by robust regression, each held out by family before it is believed.

``soft_l1`` (scipy.optimize.least_squares) keeps one odd row from moving the others. Constants that
grow with what comes and goes have a share beside their base, and are asked for no negative one.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from weighbridge.errors import CalibrationError
from weighbridge.measure.calibrate.samples import Sample
from weighbridge.units import MIB

FEWEST = 3
RISING = {"reserve"}
# Bounds reach half as far again as the rows that were left out lay, and 32 MiB at least.
SPARE, LEAST = 1.5, 32 * MIB

Line = tuple[float, float]
Known = Callable[[Sample], int]


class Fit(NamedTuple):
    """One constant: its line and bounds, and the errors of what is published and of the fit.

    ``before`` and ``after`` are median absolute errors in bytes on families that were left out
    (``held_out``), or on the rows themselves where all are of one family; ``kept`` says whether
    the fit is better.
    """

    key: tuple[str, str, str, str, int]
    base: int
    share: float
    low: int
    high: int
    rows: int
    families: int
    before: float
    after: float
    held_out: bool

    @property
    def kept(self) -> bool:
        """Whether it says more than what is published."""
        return self.after < self.before

    def to_dict(self) -> dict[str, Any]:
        """The constant as the file holds it."""
        name, engine, version, kind, ranks = self.key
        return {
            "name": name, "engine": engine, "version": version, "class": kind, "ranks": ranks,
            "typical": self.base, "low": self.low, "high": self.high,
            "share": round(self.share * 10**6), "rows": self.rows, "families": self.families,
            "held_out": self.held_out,
            "median_error_bytes": {"before": round(self.before), "after": round(self.after)},
        }  # fmt: skip


def fit_all(found: Sequence[Sample], known: Known) -> list[Fit]:
    """A fit for every constant of which there are rows enough; ``known`` is what is published."""
    groups: dict[tuple[str, str, str, str, int], list[Sample]] = {}
    for sample in found:
        groups.setdefault(sample.key, []).append(sample)
    return [_fit(group, known) for _, group in sorted(groups.items()) if len(group) >= FEWEST]


def _fit(group: Sequence[Sample], known: Known) -> Fit:
    rising = group[0].name in RISING and len({each.moving for each in group}) >= FEWEST
    line = regression(group, rising=rising)
    families = sorted({each.family for each in group})
    apart = len(families) > 1
    residuals: list[float] = []
    for family in families if apart else ():
        rest = [each for each in group if each.family != family]
        left = regression(rest, rising=rising)
        residuals += [each.bytes - _at(left, each) for each in group if each.family == family]
    if not apart:
        residuals = [each.bytes - _at(line, each) for each in group]
    base = round(line[0])
    before = statistics.median(abs(each.bytes - known(each)) for each in group)
    return Fit(
        group[0].key,
        base,
        line[1],
        max(0, round(base + min(min(residuals) * SPARE, -LEAST))),
        round(base + max(max(residuals) * SPARE, LEAST)),
        len(group),
        len(families),
        before,
        statistics.median(abs(each) for each in residuals),
        apart,
    )


def _at(line: Line, sample: Sample) -> float:
    return line[0] + line[1] * sample.moving


def regression(group: Sequence[Sample], *, rising: bool) -> Line:
    """Base and share of the samples; the share is nothing where none is asked for."""
    try:
        from scipy.optimize import least_squares
    except ImportError:
        raise CalibrationError(
            "constants are fitted by scipy, which is not installed; pip install 'weighbridge[fit]'"
        ) from None
    sizes = [each.bytes / MIB for each in group]
    middle = statistics.median(sizes)
    scale = max(statistics.median(abs(size - middle) for size in sizes) * 1.4826, 1.0)

    def residuals(vector: Any) -> Any:
        share = float(vector[1]) if rising else 0.0
        return [
            float(vector[0]) + share * each.moving / MIB - size
            for each, size in zip(group, sizes, strict=True)
        ]

    start = [max(middle, 1e-3), 1e-3] if rising else [max(middle, 1e-3)]
    found = least_squares(
        residuals, start, bounds=([0.0] * len(start), [2.0**30] * len(start)), loss="soft_l1",
        f_scale=scale, x_scale=[scale, 0.1][: len(start)],
    )  # fmt: skip
    return float(found.x[0]) * MIB, float(found.x[1]) if rising else 0.0
