"""The report over every set of rows, the user's own and peers' answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from weighbridge.errors import RequestError
from weighbridge.measure.accuracy.figures import SETS, figures_of
from weighbridge.measure.accuracy.own import own_figures
from weighbridge.measure.accuracy.peers import peers
from weighbridge.measure.accuracy.report import Report

OWN = "own"
NAMES = (*SETS, OWN)


def collect(
    sets: Sequence[str] | None = None,
    store: str = "",
    files: Sequence[str] = (),
    told: Callable[[str], None] | None = None,
) -> Report:
    """The figures of these sets, of all without names; ``told`` hears which is at work.

    Raises RequestError where a set is not known, or sets were named and none has a row.
    """
    found = []
    wanted = list(dict.fromkeys(sets or NAMES))
    for name in wanted:
        if name not in NAMES:
            raise RequestError(f"there is no set of rows {name[:40]!r}; {', '.join(NAMES)}")
        if told is not None:
            told(name)
        found += own_figures(store, files) if name == OWN else figures_of([name])
    if not found:
        raise RequestError("there is no own row yet; keep some with weigh measure or weigh log")
    beside = peers(found) if sets is None or "speed" in wanted else []
    return Report(tuple(found), tuple(beside))
