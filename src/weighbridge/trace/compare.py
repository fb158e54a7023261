"""A trace beside the closed form, term by term."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any, NamedTuple

from weighbridge.errors import InputError
from weighbridge.term import Term
from weighbridge.trace.question import Question
from weighbridge.trace.result import Trace

# What the closed form calls by several names, and what only one of the two sees.
MERGED = {"adapters": "weights", "master_weights": "weights", "state": "kv_cache"}
OUTSIDE = frozenset({"context", "reserve"})


class Line(NamedTuple):
    """One name: bytes by the trace and by the closed form; None where one has no such term."""

    name: str
    traced: int | None
    closed: int | None

    @property
    def error(self) -> float | None:
        """Signed: (closed form − trace) / trace."""
        if not self.traced or self.closed is None:
            return None
        return self.closed / self.traced - 1


class Comparison(NamedTuple):
    """The lines, their total, and why there is no closed form where there is none."""

    phase: str
    lines: tuple[Line, ...]
    missing: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON prints it."""
        lines = [{**line._asdict(), "error": line.error} for line in self.lines]
        return {"phase": self.phase, "lines": lines, "missing": self.missing}


def compare(name: str, question: Question, trace: Trace) -> Comparison:
    """The trace's peak beside what the closed form says of the same request."""
    phase = trace.peak
    if question.run == "decode":
        # The first step still begins with what windows leave of the prompt; the last holds most.
        steps = [each for each in trace.phases if each.name == "decode"]
        phase = max(steps, key=lambda each: each.peak_bytes)
    traced = summed(term for term in trace.terms(phase))
    try:
        closed = summed(closed_terms(name, question))
    except InputError as error:
        return Comparison(phase.name, _lines(traced, {}), str(error))
    return Comparison(phase.name, _lines(traced, closed))


def closed_terms(name: str, question: Question) -> Iterable[Term]:
    """The closed form's terms at the peak of the same run."""
    if question.run == "train":
        return _training_terms(name, question)
    from weighbridge.planner import plan_request
    from weighbridge.request import make_request

    steps = question.decode_steps if question.run == "decode" else 1
    options = {
        "input_tokens": question.seq_len, "output_tokens": steps + 1,
        "concurrency": question.batch, "weights": question.dtype,
        "attn_implementation": question.attn_implementation,
    }  # fmt: skip
    plan = plan_request(make_request(name, options))
    phases = plan.devices[0].phases
    return phases["decode" if question.run == "decode" else "prefill"]


def _training_terms(name: str, question: Question) -> Iterable[Term]:
    if find_spec("weighbridge.training") is None:
        raise InputError("this version has no closed form of training")
    from weighbridge.trace.training import closed_training

    return closed_training(name, question)


def summed(terms: Iterable[Term]) -> dict[str, int]:
    """Bytes by name, without what lies outside PyTorch's tensors."""
    sums: dict[str, int] = {}
    for term in terms:
        if term.name not in OUTSIDE:
            name = MERGED.get(term.name, term.name)
            sums[name] = sums.get(name, 0) + int(term.bytes)
    return sums


def _lines(traced: dict[str, int], closed: dict[str, int]) -> tuple[Line, ...]:
    names = [*traced, *(name for name in closed if name not in traced)]
    lines = [Line(name, traced.get(name), closed.get(name)) for name in names]
    total = Line("total", sum(traced.values()), sum(closed.values()) if closed else None)
    return (*lines, total)
