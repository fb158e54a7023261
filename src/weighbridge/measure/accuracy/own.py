"""The user's own rows, of the store and of files, beside the plans of the same questions.

The plans are those that the user would get: a calibration in the folder of settings counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from weighbridge.errors import InputError
from weighbridge.measure import beside
from weighbridge.measure.accuracy.figure import Figure
from weighbridge.measure.accuracy.figures import family_of
from weighbridge.measure.compare import compare
from weighbridge.measure.record import from_dict
from weighbridge.measure.store import open_store
from weighbridge.measure.store.files import read_files
from weighbridge.measure.store.logs import observation_of
from weighbridge.measure.store.rows import Row


def own_figures(store: str, files: Sequence[str]) -> list[Figure]:
    """Every term of every own row of which there is a plan."""
    with open_store(store) as opened:
        rows = [kept.row for kept in opened.rows()]
    rows += read_files(files)
    unique = {row.digest: row for row in rows}
    return [figure for row in unique.values() for figure in figures_of_row(row)]


def figures_of_row(row: Row) -> Iterator[Figure]:
    """The figures of one row; none of a benchmark, which does not say what ran where."""
    if row.kind == "log":
        yield from _of_log(row)
    elif row.kind == "measurement":
        yield from _of_measurement(row)


def _of_measurement(row: Row) -> Iterator[Figure]:
    record = from_dict(row.record)
    kind = record.point["kind"]
    try:
        plan = beside.predict(record)
    except InputError:
        plan = None
    if plan is None:
        return
    for each in beside.rows(record, plan):
        if each.measured:
            yield Figure(
                "own", f"{row.digest[:12]} {row.model}", row.engine, family_of(row.model),
                row.card or str(record.machine["device"]), f"{kind} {each.name}, {each.phase}",
                "bytes", each.measured, each.predicted, each.low, each.high, use="own",
                source=row.source,
            )  # fmt: skip


def _of_log(row: Row) -> Iterator[Figure]:
    record = row.record
    seen = observation_of(record)
    compared = compare(seen, on=record.get("on"))
    family = "" if compared.plan is None else compared.plan.model.family
    for each in compared.rows:
        yield Figure(
            "own", f"{row.digest[:12]} {row.model}", row.engine, family or family_of(row.model),
            row.card or str(record.get("on") or ""), each.name, "bytes", each.observed,
            each.predicted, each.low, each.high, use="own", source=row.source,
        )  # fmt: skip
