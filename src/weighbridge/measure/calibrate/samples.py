"""Rows of the store → samples of the named constants: what was seen where a constant speaks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from weighbridge.errors import InputError
from weighbridge.hardware.cards import find_card
from weighbridge.measure.accuracy.figures import family_of
from weighbridge.measure.compare import card_name, options_of
from weighbridge.measure.record import Record, from_dict
from weighbridge.measure.store.logs import observation_of
from weighbridge.measure.store.rows import Row
from weighbridge.memory.own import class_of

# What an engine's log prints as one of the constants. vLLM's non-torch memory is NCCL and kernels.
LOGGED = {("vllm", "workspace"): "outside", ("vllm", "graphs"): "graphs"}


class Sample(NamedTuple):
    """One constant as one row saw it: ``bytes``, and what came and went (``moving``)."""

    name: str
    engine: str
    version: str
    card_class: str
    ranks: int
    family: str
    bytes: int
    moving: int
    digest: str

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """What one constant is fitted for."""
        return (self.name, self.engine, self.version, self.card_class, self.ranks)


def samples(rows: Iterable[Row]) -> list[Sample]:
    """Every sample of the rows; a row whose card or model is not known gives none."""
    found: list[Sample] = []
    for row in rows:
        if row.kind == "log":
            found += _of_log(row)
        elif row.kind == "measurement":
            found += _of_record(from_dict(row.record), row.digest)
    return found


def _of_log(row: Row) -> Iterator[Sample]:
    record = row.record
    seen = observation_of(record)
    card = _class_of(record.get("on") or (card_name(seen.cards[0]) if seen.cards else ""))
    version = minor(seen.version)
    if card is None or not version:
        return
    ranks = int(options_of(seen, None).get("tensor_parallel_size") or 1)
    ranks *= int(seen.settings.get("pipeline_parallel_size") or 1)
    sizes: dict[str, list[int]] = {}
    for term in seen.terms:
        name = LOGGED.get((seen.engine, term.name))
        if name is not None and term.bytes >= 0:
            sizes.setdefault(name, []).append(term.bytes)
    for name, each in sizes.items():
        yield Sample(name, seen.engine, version, card, ranks, family_of(seen.model), max(each), 0,
                     row.digest)  # fmt: skip


def _of_record(record: Record, digest: str) -> Iterator[Sample]:
    """A context that was measured alone, and what an allocator reserved beyond its use."""
    card = _class_of(str(record.machine.get("card") or ""))
    version = minor(record.versions.get("transformers", ""))
    if card is None or not version or record.failed is not None:
        return
    point = record.point
    family = family_of(str(point["model"])) if "model" in point else str(point.get("framework"))
    context = record.term("context", "resident")
    if context:
        yield Sample("context", "transformers", version, card, 1, family, context, 0, digest)
    if point["kind"] != "inference":
        return
    for phase in ("prefill", "decode"):
        reserved = record.quantity("reserved_peak", phase)
        used = record.quantity("allocated_peak", phase)
        if reserved is not None and used is not None:
            held = record.term("weights", "resident") or 0
            moving = max(int(used.median) - held, 0)
            hoard = max(int(reserved.median - used.median), 0)
            yield Sample("reserve", "transformers", version, card, 1, family, hoard, moving, digest)


def minor(version: str) -> str:
    """Major and minor of a version as an engine prints it; empty where it has none."""
    parts = version.partition("+")[0].split(".")
    return ".".join(parts[:2]) if len(parts) > 1 and all(p.isdigit() for p in parts[:2]) else ""


def _class_of(card: Any) -> str | None:
    text = str(card).partition("x")[2] if str(card)[:1].isdigit() else str(card)
    for name in (str(card), text):
        try:
            return class_of(find_card(name))
        except InputError:
            continue
    return None
