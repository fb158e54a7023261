"""What a rule says of a model, beside what the plan says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Ours:
    """Our figure: the sum of the plan's ``terms``, or a definition where it names none."""

    what: str
    terms: tuple[str, ...]
    bytes: int


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One rule, the numbers put in, its figure from ``low`` to ``high`` bytes, and our own.

    Where the rule does not apply, ``why_not`` says so and the figures are None. ``here`` are
    sentences about this model, computed; ``near`` and ``fails`` hold for every model.
    """

    id: str
    title: str
    formula: str
    inputs: Mapping[str, Any]
    low: int | None
    high: int | None
    unit: str
    unit_note: str
    ours: Ours
    source: str
    near: str
    fails: str
    here: tuple[str, ...] = ()
    why_not: str = ""

    @property
    def applies(self) -> bool:
        """Whether the rule says anything of this model."""
        return self.low is not None

    @property
    def is_range(self) -> bool:
        """Whether the rule names a range rather than a number."""
        return self.low != self.high

    @property
    def bytes(self) -> int | None:
        """The figure; None for a range and where the rule does not apply."""
        return None if self.is_range else self.low

    @property
    def error_low(self) -> float | None:
        """(lower end − ours) / ours."""
        return relative(self.low, self.ours.bytes)

    @property
    def error_high(self) -> float | None:
        """(upper end − ours) / ours."""
        return relative(self.high, self.ours.bytes)

    @property
    def inside(self) -> bool | None:
        """Whether ours lies in the range; None for a single figure."""
        if self.low is None or self.high is None or not self.is_range:
            return None
        return self.low <= self.ours.bytes <= self.high

    @property
    def error(self) -> float | None:
        """(rule − ours) / ours; 0 inside a range, else from its nearer end; None without ours."""
        if self.error_low is None or self.error_high is None:
            return None
        if self.inside:
            return 0.0
        return self.error_low if self.error_low > 0 else self.error_high

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON prints it: bytes are integers, what is unknown is null."""
        return {
            "id": self.id,
            "title": self.title,
            "formula": self.formula,
            "inputs": dict(self.inputs),
            "applies": self.applies,
            "why_not": self.why_not,
            "bytes": self.bytes,
            "low": self.low,
            "high": self.high,
            "unit": self.unit,
            "unit_note": self.unit_note,
            "ours": {
                "what": self.ours.what,
                "terms": list(self.ours.terms),
                "bytes": self.ours.bytes,
            },
            "error": self.error,
            "error_low": self.error_low,
            "error_high": self.error_high,
            "inside": self.inside,
            "source": self.source,
            "near": self.near,
            "fails": self.fails,
            "here": list(self.here),
        }


def relative(figure: int | None, ours: int) -> float | None:
    """(figure − ours) / ours; None where either is missing."""
    return None if figure is None or ours <= 0 else (figure - ours) / ours
