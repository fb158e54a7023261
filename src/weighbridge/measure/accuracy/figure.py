"""One measured quantity beside ours, in the same shape for every set of rows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple


class Figure(NamedTuple):
    """A quantity of a row: what was measured and what we say, with bounds where we state any.

    ``spare`` is the precision that the source prints; an error is relative to what was measured,
    and to ``least`` where that is more. ``use`` is ``fit`` for rows that a constant was fitted on,
    ``own`` for rows of the user's, else ``report``.
    """

    set: str
    id: str
    engine: str
    family: str
    card: str
    quantity: str
    unit: str
    measured: float
    predicted: float
    low: float | None = None
    high: float | None = None
    spare: float = 0.0
    least: float = 0.0
    use: str = "report"
    source: str = ""

    @property
    def error(self) -> float:
        """Signed and relative; nothing within the printed digits."""
        apart = self.predicted - self.measured
        if abs(apart) <= self.spare:
            return 0.0
        against = max(abs(self.measured), self.least)
        return apart / against if against else math.inf

    @property
    def covered(self) -> bool | None:
        """Whether the bounds hold what was measured; None where none are stated."""
        if self.low is None or self.high is None:
            return None
        return self.low - self.spare <= self.measured <= self.high + self.spare

    def to_dict(self) -> dict[str, Any]:
        """The figure as ``--json`` prints it."""
        error = self.error if math.isfinite(self.error) else None
        return {**self._asdict(), "error": error, "covered": self.covered}


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least ``share`` of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-int(len(ordered) * share * 10**6) // 10**6) - 1)]
