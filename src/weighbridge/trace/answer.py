"""A log → what the child says of it, as plain data."""

from __future__ import annotations

from typing import Any

from weighbridge.trace.log import (
    Log,
    Peak,
    by_category,
    by_module,
    peaks,
    timeline,
)
from weighbridge.trace.question import Question
from weighbridge.trace.replay import replay

MOST_LINES, POINTS = 20_000, 800


def describe(log: Log, question: Question) -> dict[str, Any]:
    """Phases, reserved memory and timeline."""
    size = question.granularity
    return {
        "phases": [_phase(log, peak, size) for peak in peaks(log, size)],
        "reserved": _reserved(log, question) if question.target == "cuda" else None,
        "timeline": [moment._asdict() for moment in timeline(log, POINTS, size)],
    }


def _phase(log: Log, peak: Peak, size: int) -> dict[str, Any]:
    last = log.events[peak.event - 1] if peak.event else 0
    storage = log.storages[last if last >= 0 else ~last]
    return {
        "name": peak.phase,
        "peak_bytes": peak.bytes,
        "end_bytes": peak.end_bytes,
        "operator": storage.operator,
        "module": storage.module,
        "categories": by_category(log, peak.event, size),
        "modules": by_module(log, peak.event, size),
    }


def _reserved(log: Log, question: Question) -> dict[str, Any]:
    sizes = [storage.size for storage in log.storages]
    found = replay(sizes, log.events)._asdict()
    if question.capacity:
        capped = replay(sizes, log.events, question.capacity)
        found |= {"capacity": question.capacity, "fits": capped.fits, "retries": capped.retries,
                  "reserved_within_capacity": capped.peak_reserved}  # fmt: skip
    return found


def cache_sizes(log: Log, question: Question) -> dict[str, int]:
    """Bytes of the cache at the end of each inference phase."""
    found = {}
    for number, phase in enumerate(log.phases):
        held = by_category(log, phase.end, question.granularity).get("cache", 0)
        if held:
            found[f"{phase.name} {number}"] = held
    return found
