"""The answer of a trace: phases with their peaks, categories, tables, and the same as Terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from weighbridge.errors import FileFormatError
from weighbridge.term import Phase, Term

SOURCE = "the model's own code under fake tensors"
# What the ledger calls a category of the trace.
TERM_OF = {
    "parameter": "weights",
    "buffer": "weights",
    "gradient": "gradients",
    "optimizer": "optimizer",
    "saved activation": "activations",
    "temporary": "activations",
    "input": "activations",
    "logits": "logits",
    "cache": "kv_cache",
    "workspace": "workspace",
}
RESIDENT = frozenset({"weights", "optimizer", "gradients"})


class TracedPhase(NamedTuple):
    """A phase at its peak: bytes in all, by category, by module, and where it was."""

    name: str
    peak_bytes: int
    end_bytes: int
    operator: str
    module: str
    categories: Mapping[str, int]
    modules: Mapping[str, Mapping[str, int]]


class Trace(NamedTuple):
    """One traced pass. ``reserved`` is what the caching allocator takes; None on a CPU.

    ``extended`` has the phases' peaks at the model's own depth where few layers were traced.
    """

    question: Mapping[str, Any]
    versions: Mapping[str, str]
    phases: tuple[TracedPhase, ...]
    reserved: Mapping[str, Any] | None
    parameters: Mapping[str, Any]
    cache: Mapping[str, int]
    timeline: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...]
    seconds: float
    extended: Mapping[str, Any] | None = None

    @property
    def peak(self) -> TracedPhase:
        """The highest phase of those that repeat: the last step's, or the inference's."""
        return max(self.last_step, key=lambda phase: phase.peak_bytes)

    @property
    def last_step(self) -> tuple[TracedPhase, ...]:
        """The phases of the last training step (the first has no optimizer states yet), or all."""
        steps = {phase.name.partition(" ")[2] for phase in self.phases}
        last = max(steps, key=lambda text: int(text or 0))
        return tuple(phase for phase in self.phases if phase.name.partition(" ")[2] == last)

    def terms(self, phase: TracedPhase | None = None) -> tuple[Term, ...]:
        """A phase's peak as lines of the ledger, basis ``traced``."""
        at = phase or self.peak
        sums: dict[str, int] = {}
        for category, size in at.categories.items():
            name = TERM_OF[category]
            sums[name] = sums.get(name, 0) + size
        step: Phase = "decode" if at.name == "decode" else "prefill"
        found = [
            Term(name, 0, "resident" if name in RESIDENT else step, size, size, size, "traced",
                 _formula(name, at), {"operator": at.operator, "module": at.module}, SOURCE)
            for name, size in sums.items()
        ]  # fmt: skip
        if self.reserved is not None:
            slack = max(0, self.reserved["peak_reserved"] - self.reserved["peak_allocated"])
            found.append(
                Term("reserve", 0, step, slack, 0, 2 * slack, "traced",
                     "segments of the caching allocator − what is allocated",
                     dict(self.reserved), "replay of c10/cuda/CUDACachingAllocator.cpp")
            )  # fmt: skip
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """The trace as JSON prints it."""
        return {
            "schema": 1,
            "request": _without_config(self.question),
            "versions": dict(self.versions),
            "peak_bytes": self.peak.peak_bytes,
            "peak_phase": self.peak.name,
            "phases": [phase._asdict() for phase in self.phases],
            "terms": [term.to_dict() for term in self.terms()],
            "reserved": None if self.reserved is None else dict(self.reserved),
            "parameters": dict(self.parameters),
            "cache": dict(self.cache),
            "extended": None if self.extended is None else dict(self.extended),
            "timeline": [dict(each) for each in self.timeline],
            "notes": list(self.notes),
            "seconds": self.seconds,
        }


def _formula(name: str, at: TracedPhase) -> str:
    parts = [category for category in at.categories if TERM_OF[category] == name]
    return f"{' + '.join(parts)} alive at the peak of {at.name}"


def _without_config(question: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in question.items() if name != "config"}


def read_trace(data: Any) -> Trace:
    """The child's answer, checked; FileFormatError where it is not one."""
    try:
        phases = tuple(TracedPhase(**each) for each in data["phases"])
        if not phases:
            raise ValueError("no phase")
        return Trace(
            question=data["question"], versions=data["versions"], phases=phases,
            reserved=data["reserved"], parameters=data["parameters"], cache=data["cache"],
            timeline=tuple(data["timeline"]), notes=tuple(data["notes"]), seconds=data["seconds"],
            extended=data["extended"],
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FileFormatError(
            f"the traced process gave no answer that can be read: {error}"
        ) from None
