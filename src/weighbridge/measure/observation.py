"""What a log tells: terms with basis ``measured``, the settings that it prints, and failures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from weighbridge.term import Term
from weighbridge.units import GIB, KIB, MIB

HOST = -1
# vLLM before 0.8, SGLang and torch print GB or MB and divide by 2**30 or 2**20.
UNITS = {"B": 1, "bytes": 1, "KiB": KIB, "KB": KIB, "MiB": MIB, "MB": MIB, "GiB": GIB, "GB": GIB}


class Failure(NamedTuple):
    """Memory that ran out: what was asked for, what was free, and what to change by how much.

    ``missing`` is None where the message does not tell.
    """

    what: str
    device: int
    asked: int | None
    free: int | None
    total: int | None
    advice: tuple[str, ...]

    @property
    def missing(self) -> int | None:
        """Bytes that were short."""
        if self.asked is None or self.free is None:
            return None
        return max(self.asked - self.free, 0)


class Observation(NamedTuple):
    """One log: its engine, what it was told to do, and what it held.

    ``tokens`` and ``concurrency`` are the cache's room as printed, for sequences of ``length``.
    """

    engine: str
    version: str
    model: str
    settings: Mapping[str, Any] = MappingProxyType({})
    cards: tuple[str, ...] = ()
    terms: tuple[Term, ...] = ()
    tokens: int | None = None
    concurrency: float | None = None
    length: int | None = None
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The observation as ``--json`` prints it and the store keeps it."""
        return {
            "engine": self.engine,
            "version": self.version,
            "model": self.model,
            "settings": dict(self.settings),
            "cards": list(self.cards),
            "terms": [{**term.to_dict(), "device": term.device} for term in self.terms],
            "tokens": self.tokens,
            "concurrency": self.concurrency,
            "length": self.length,
            "failures": [{**each._asdict(), "advice": list(each.advice),
                          "missing": each.missing} for each in self.failures],
            "notes": list(self.notes),
        }  # fmt: skip


class Sighting:
    """An observation while a log is read, a line at a time."""

    def __init__(self) -> None:
        self.engine = ""
        self.version = ""
        self.model = ""
        self.settings: dict[str, Any] = {}
        self.cards: dict[int, str] = {}
        self.terms: dict[tuple[str, int, str], Term] = {}
        self.tokens: int | None = None
        self.concurrency: float | None = None
        self.length: int | None = None
        self.failures: list[Failure] = []
        self.notes: list[str] = []
        self.pids: dict[str, int] = {}
        self.budget: int | None = None
        self.number = 0

    def see(
        self,
        name: str,
        text: str,
        unit: str,
        *,
        device: int = 0,
        part: str = "",
        adds: bool = False,
    ) -> None:
        """A printed size of one term; a later line of the same ``part`` wins, or adds up."""
        size, half = size_of(text, unit)
        key = (name, device, part)
        before = self.terms.get(key)
        if before is not None and adds:
            size, half = size + before.bytes, half + (before.high - before.bytes)
        formula = f"{text} {unit} as printed" + (f" for {part}" if part else "")
        low = size - half if size >= 0 else size + half
        self.terms[key] = Term(
            name, device, "resident", size, min(low, size), size + half, "measured", formula,
            {}, f"line {self.number:,} of the log",
        )  # fmt: skip

    def fail(self, failure: Failure) -> None:
        """A failure, once."""
        if failure not in self.failures and len(self.failures) < 100:
            self.failures.append(failure)

    def observation(self) -> Observation:
        """What was seen, terms in order of devices."""
        ordered = sorted(self.terms.values(), key=lambda term: term.device % 10**6)
        return Observation(
            self.engine or "unknown",
            self.version,
            self.model,
            self.settings,
            tuple(self.cards[index] for index in sorted(self.cards)),
            tuple(ordered),
            self.tokens,
            self.concurrency,
            self.length,
            tuple(self.failures),
            tuple(dict.fromkeys(self.notes)),
        )


def size_of(text: str, unit: str) -> tuple[int, int]:
    """Bytes of a printed size, and half a unit of its last digit."""
    digits = text.replace(",", "")
    scale = UNITS[unit]
    places = len(digits.partition(".")[2])
    return round(float(digits) * scale), (scale // 10**places + 1) // 2 if scale > 1 else 0


def sized(text: str) -> int:
    """``1.63 GiB`` or ``448.00 KiB`` in bytes."""
    match = re.fullmatch(r"\s*(-?[\d.,]+)\s*([A-Za-z]+)\s*", text)
    if match is None or match[2] not in UNITS:
        raise ValueError(text)
    return size_of(match[1], match[2])[0]
