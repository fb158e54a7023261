"""Constants of memory fitted on one's own rows, in place of the published ones.

A file that ``weigh calibrate --memory`` wrote: constants by engine, version, class of card and
number of ranks. It is named by ``--calibration``, or lies in the user's folder of settings; a plan
always says that it was used, and cites it in every term that rests on it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from weighbridge.errors import CalibrationError, InputError
from weighbridge.hardware.card import Card
from weighbridge.memory.context import DATA_CENTRE_CAPABILITIES

SCHEMA, KIND = 1, "memory constants"
LARGEST_FILE = 2**20
NONE = "none"
# What may be fitted: how a plan calls it, and whether it grows with what comes and goes.
NAMES = {
    "context": "the process's context",
    "outside": "what lies outside torch",
    "graphs": "captured graphs",
    "reserve": "the allocator's hoard",
}
MOST = 2**50
Version = tuple[int, int, int]


class OwnConstant(NamedTuple):
    """One constant: bytes with bounds, and millionths of what comes and goes on top of them."""

    name: str
    engine: str
    version: str
    card_class: str
    ranks: int
    typical: int
    low: int
    high: int
    share: int
    rows: int
    source: str


class OwnConstants(NamedTuple):
    """Those constants of a file that hold for one engine in its version."""

    found: tuple[OwnConstant, ...] = ()
    notes: tuple[str, ...] = ()

    def of(self, name: str, card: Card | None, ranks: int = 1) -> OwnConstant | None:
        """The constant for a card and a number of ranks; None where there is none."""
        kind = class_of(card)
        return next(
            (c for c in self.found
             if (c.name, c.card_class, c.ranks) == (name, kind, ranks)), None
        )  # fmt: skip

    def on(self, cards: Sequence[Card]) -> tuple[Card, ...]:
        """The cards, each with the context that was fitted for its class."""
        return tuple(_with_context(card, self.of("context", card)) for card in cards)


def _with_context(card: Card, mine: OwnConstant | None) -> Card:
    if mine is None:
        return card
    return card._replace(own_context=(mine.typical, mine.low, mine.high, mine.source))


NO_CONSTANTS = OwnConstants()


def class_of(card: Card | None) -> str:
    """What contexts and drivers depend on: the maker, and whether it is a data-centre card."""
    if card is None:
        return "not named"
    if card.vendor != "NVIDIA":
        return card.vendor
    centre = card.compute_capability in DATA_CENTRE_CAPABILITIES
    return "NVIDIA data-centre" if centre else "NVIDIA consumer"


def default_path() -> str:
    """Where a calibration is found without being named."""
    home = os.environ.get("XDG_CONFIG_HOME") or os.environ.get("APPDATA")
    folder = home if home and os.path.isabs(home) else os.path.expanduser("~/.config")
    return os.path.join(folder, "weighbridge", "calibration.json")


def constants_for(named: str | None, engine: str, version: Version) -> OwnConstants:
    """The constants for an engine in its version, of the named file or of the user's own.

    Raises CalibrationError where a file cannot be read, or says nothing of memory.
    """
    if named == NONE:
        return NO_CONSTANTS
    path = named or default_path()
    if not named and not os.path.isfile(path):
        return NO_CONSTANTS
    every, made = read_constants(path)
    if not every:
        return NO_CONSTANTS
    mine = [c for c in every if c.engine == engine]
    wanted = ".".join(map(str, version[:2]))
    taken = tuple(c for c in mine if c.version == wanted)
    where = f"{_shown(path)} of {made}"
    if taken:
        names = ", ".join(dict.fromkeys(NAMES[c.name] for c in taken))
        return OwnConstants(taken, (f"calibrated by {where}: {names}",))
    others = ", ".join(sorted({c.version for c in mine}))
    why = f"it is of {engine} {others}" if mine else f"it says nothing of {engine}"
    return OwnConstants((), (f"not calibrated by {where}: {why}, and the plan of {wanted}",))


def _shown(path: str) -> str:
    from weighbridge.model.bounded import label

    return label(path)


def read_constants(path: str) -> tuple[tuple[OwnConstant, ...], str]:
    """The constants of a file and the day it was made; none of a calibration of speed alone."""
    from pathlib import Path

    from weighbridge.model.bounded import read_json_object

    try:
        data = read_json_object(Path(path), LARGEST_FILE)
    except InputError as error:
        raise CalibrationError(f"the calibration {error}") from None
    if data.get("kind") != KIND and isinstance(data.get("constants"), dict):
        return (), ""
    if data.get("kind") != KIND:
        raise CalibrationError(
            f"{_shown(path)} is no calibration; make one with: weigh calibrate --memory"
        )
    if data.get("schema") != SCHEMA:
        raise CalibrationError(
            f"{_shown(path)} has schema {str(data.get('schema'))[:20]}, and {SCHEMA} is what is "
            "known here; fit it anew with: weigh calibrate --memory"
        )
    made, rows = str(data.get("made"))[:10], data.get("constants")
    if not isinstance(rows, list) or len(rows) > 10_000:
        raise CalibrationError(f"{_shown(path)} has no list of constants")
    try:
        return tuple(_constant(row, path, made) for row in rows), made
    except (KeyError, TypeError, ValueError) as error:
        raise CalibrationError(
            f"{_shown(path)} holds a constant that cannot be: {str(error)[:100]}; fit it anew "
            "with: weigh calibrate --memory"
        ) from None


def _constant(row: Any, path: str, made: str) -> OwnConstant:
    if row["name"] not in NAMES:
        raise ValueError(f"the name {str(row['name'])[:40]!r}")
    sizes = [row[key] for key in ("low", "typical", "high", "share", "rows", "ranks")]
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= MOST:
            raise ValueError(f"{row['name']} with a size of {str(size)[:40]}")
    low, typical, high, share, rows, ranks = sizes
    if not low <= typical <= high:
        raise ValueError(f"bounds of {row['name']} that do not hold it")
    engine, version, kind = (str(row[key])[:60] for key in ("engine", "version", "class"))
    source = f"{_shown(path)} of {made}: {rows:,} rows of {engine} {version}, {kind}"
    return OwnConstant(row["name"], engine, version, kind, ranks, typical, low, high, share, rows,
                       source)  # fmt: skip
