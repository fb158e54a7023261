"""What quantization costs: published figures beside those of the same model unquantized.

Keys of a row of ``quality.jsonl``: ``format`` (of the weights, or of the ``kv_cache`` where
``kind`` says so), ``family`` and ``billions`` of parameters of the ``model`` that was measured,
``metric`` and whether ``lower`` or ``higher`` is ``better``, ``base`` (16 bit), ``value``
(quantized) and ``source``.

Figures of different metrics cannot be compared with each other. So formats are put in order by
their bits, and only those that one table measured on a kindred model are put in order by it. Where
nothing is published for a family and a size near it, nothing is said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from math import log
from os.path import dirname, join
from typing import Any, Literal, NamedTuple

from weighbridge.model.facts import Model

# A size is near another within this factor: what 4 bits cost a 0.5B model says nothing of a 70B.
NEAR = 3.0
# Layouts of the same values under other names: what one costs, the other does.
SAME_VALUES = {"nvfp4-ct": "nvfp4", "mxfp4-ct": "mxfp4"}
_PREFIXES = ("meta-",)


class Published(NamedTuple):
    """One published figure; ``percent`` of it is lost against 16 bit (below 0: gained)."""

    format: str
    kind: Literal["weights", "kv_cache"]
    family: str
    billions: float
    model: str
    metric: str
    better: Literal["lower", "higher"]
    base: float
    value: float
    source: str

    @property
    def percent(self) -> float:
        """How much worse, in percent of the unquantized model's figure."""
        change = (self.value - self.base) / self.base * 100
        return change if self.better == "lower" else -change

    @property
    def table(self) -> tuple[str, str]:
        """What can be compared: figures of one model under one metric."""
        return self.model, self.metric

    def to_dict(self) -> dict[str, Any]:
        """The figure as JSON prints it."""
        return {**self._asdict(), "percent_worse": round(self.percent, 3)}


@cache
def published() -> tuple[Published, ...]:
    """Every row of the table."""
    with open(join(dirname(__file__), "quality.jsonl"), encoding="utf-8") as file:
        return tuple(Published(**json.loads(line)) for line in file)


def family_of(name: str) -> str:
    """The family of the table whose name a model's begins with, the longest; else empty.

    >>> family_of("meta-llama/Llama-3.1-70B"), family_of("Qwen/Qwen2.5-7B"), family_of("7B")
    ('llama-3', 'qwen2.5', '')
    """
    short = name.rpartition("/")[2].lower()
    for prefix in _PREFIXES:
        short = short.removeprefix(prefix)
    words = _words(short)
    fitting = [
        family
        for family in {row.family for row in published() if row.family}
        if words[: len(_words(family))] == _words(family)
    ]
    return max(fitting, key=len, default="")


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+|\d+", text)


def kindred(name: str, parameters: int) -> tuple[Published, ...]:
    """The figures of weights of a model's family at sizes near its own, the nearest first."""
    family, billions = family_of(name), parameters / 1e9

    def away(row: Published) -> float:
        return abs(log(row.billions / billions))

    rows = [row for row in published() if row.kind == "weights" and row.family == family]
    return (
        tuple(sorted((row for row in rows if away(row) <= log(NEAR)), key=away)) if family else ()
    )


def cost_of(weights: str, rows: Iterable[Published]) -> tuple[Published, ...]:
    """What is published of one format, each metric once; empty where nothing is."""
    wanted = SAME_VALUES.get(weights, weights)
    found: dict[str, Published] = {}
    for row in rows:
        if row.format == wanted:
            found.setdefault(row.metric, row)
    return tuple(found.values())


def cost_of_cache(dtype: str) -> tuple[Published, ...]:
    """What is published of a type of the KV cache."""
    return tuple(row for row in published() if row.kind == "kv_cache" and row.format == dtype)


def levels(formats: Mapping[str, float], model: Model) -> Mapping[str, int]:
    """Formats with their bits per weight → their place, 0 the best.

    They stand by their bits, within one table by its figures. Formats of the same bits, to a
    quarter, share a place where no table tells them apart.
    """
    names = list(formats)
    bits = {name: round(formats[name] * 4) / 4 for name in names}
    order = sorted(names, key=lambda name: -bits[name])
    tables: dict[tuple[str, str], dict[str, float]] = {}
    for row in kindred(model.id, model.parameters):
        for name in names:
            if SAME_VALUES.get(name, name) == row.format:
                tables.setdefault(row.table, {}).setdefault(name, row.percent)
    told = max(tables.values(), key=len, default={})
    order = _by_table(order, told)
    place, found = 0, {}
    for before, name in zip([None, *order], order, strict=False):
        apart = before is not None and (
            bits[before] != bits[name] or (before in told and name in told)
        )
        place += apart
        found[name] = place
    return found


def _by_table(order: list[str], told: Mapping[str, float]) -> list[str]:
    """The places that a table's formats have, given to them in the order of its figures."""
    ranked = iter(sorted((name for name in order if name in told), key=lambda name: told[name]))
    return [next(ranked) if name in told else name for name in order]
