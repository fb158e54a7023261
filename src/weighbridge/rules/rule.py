"""What a row of the table is: the words of a rule, its arithmetic, and what it is held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from weighbridge.rules import formulas
from weighbridge.rules.result import Ours, RuleResult
from weighbridge.rules.subject import REMEMBERED, Subject


@dataclass(frozen=True, slots=True)
class Figure:
    """What a formula gives: bytes from ``low`` to ``high``, and the numbers put in."""

    low: int
    high: int
    inputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Silent:
    """Why a rule says nothing of this model."""

    reason: str


Compute = Callable[[Subject], Figure | Silent]
Held = Callable[[Subject], Ours]
Remarks = Callable[[Subject, Figure], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of thumb: one row of the table.

    ``compute`` puts the model's numbers into the formula, ``against`` picks our figure, and
    ``remarks`` say in sentences what the formula misses on this very model.
    """

    id: str
    title: str
    formula: str
    unit: str
    compute: Compute
    against: Held
    remarks: Remarks
    source: str
    near: str
    fails: str
    unit_note: str = ""

    def apply(self, subject: Subject) -> RuleResult:
        """The rule's word on this plan."""
        found = self.compute(subject)
        figure = found if isinstance(found, Figure) else None
        return RuleResult(
            id=self.id,
            title=self.title,
            formula=self.formula,
            inputs={} if figure is None else dict(figure.inputs),
            low=None if figure is None else figure.low,
            high=None if figure is None else figure.high,
            unit=self.unit,
            unit_note=self.unit_note,
            ours=self.against(subject),
            source=self.source,
            near=self.near,
            fails=self.fails,
            here=() if figure is None else self.remarks(subject, figure),
            why_not=found.reason if isinstance(found, Silent) else "",
        )


def one(size: int, **inputs: Any) -> Figure:
    """A single figure; underscores in the names of inputs stand for spaces."""
    return between(size, size, **inputs)


def between(low: int, high: int, **inputs: Any) -> Figure:
    """A range; underscores in the names of inputs stand for spaces."""
    return Figure(low, high, {name.replace("_", " "): value for name, value in inputs.items()})


def our_weights(subject: Subject) -> Ours:
    """The weights of the plan."""
    return _terms(subject, "our weights", ("weights",))


def our_cache(subject: Subject) -> Ours:
    """The cache of the plan, with recurrent state where there is some."""
    names = tuple(name for name in REMEMBERED if name in subject.names()) or ("kv_cache",)
    return _terms(subject, "our cache", names)


def our_total(subject: Subject) -> Ours:
    """Everything in the plan."""
    return _terms(subject, "our total", subject.names())


def our_rest(subject: Subject) -> Ours:
    """Everything in the plan but weights and cache."""
    kept = ("weights", *REMEMBERED)
    names = tuple(name for name in subject.names() if name not in kept)
    return _terms(subject, "our terms beside weights and cache", names)


def our_context(subject: Subject) -> Ours:
    """What the process itself takes of its devices."""
    return _terms(subject, "our context", ("context",))


def by_definition(subject: Subject) -> Ours:
    """16 bytes per parameter, activations apart."""
    size = formulas.training_by_definition(subject.parameters)
    return Ours("16 bytes per parameter, by definition", (), size)


def _terms(subject: Subject, what: str, names: tuple[str, ...]) -> Ours:
    return Ours(what, names, subject.of(names))
