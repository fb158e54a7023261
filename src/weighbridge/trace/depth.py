"""Large depths from small ones: trace few layers, check that growth per layer is exact, extend.

Live memory is read at each moment of each layer. With layers counted from both ends of the stack,
a moment's bytes grow by the same amount with each layer added, if the code does; between the ends
they are linear in the layer's number, so that a maximum lies at an end. Three depths give two
differences; where they are equal at every moment, the deepest model's peak is the maximum over
moments of (bytes + growth × layers). Where they differ, nothing is said.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from weighbridge.errors import InputError, RequestError
from weighbridge.records import replace
from weighbridge.trace.log import Log, live
from weighbridge.trace.question import Question

_LAYER = re.compile(r"(?:^|\.)(?:layers|layer|blocks|block|h)\.(\d+)(?:\.|$)")
Moment = tuple[str, str, int, int]


class UnevenGrowth(InputError):
    """Layers do not cost the same each; the depth cannot be extended."""


class Extended(NamedTuple):
    """A phase's peak at a depth that was not traced, and what each layer adds to it."""

    phase: str
    peak_bytes: int
    bytes_per_layer: int


def extended(question: Question) -> tuple[Log, Any, dict[str, Any]]:
    """The deepest of three traces with its model, and the phases at the model's own depth."""
    from weighbridge.trace.measure import trace
    from weighbridge.trace.settings import make_config

    depth = make_config(question.config).get_text_config(decoder=True).num_hidden_layers
    # A whole period at either end, and at least one between them.
    depths = [question.extend * times for times in (3, 4, 5)]
    if depth < depths[-1] or (depth - depths[-1]) % question.extend:
        raise RequestError(
            f"{depth} layers are not reached from {', '.join(map(str, depths))} in steps of "
            f"{question.extend}; trace all layers, or extend by another number"
        )
    logs: dict[int, Log] = {}
    model: Any = None
    for each in depths:
        logs[each], model = trace(replace(question, layers=each))
    phases = extend(logs, depth, question.granularity, question.extend)
    found = {"layers": depth, "traced": depths, "phases": [each._asdict() for each in phases]}
    return logs[depths[-1]], model, found


def moments(log: Log, layers: int, edge: int, granularity: int) -> dict[Moment, int]:
    """The highest live bytes at each (phase, part, layer from its end, ordinal of the stretch)."""
    found: dict[Moment, int] = {}
    totals = [0, *live(log, granularity)]
    for phase in log.phases:
        part, stretch = "", 0
        ordinals: dict[str, int] = {}
        for event in range(phase.start, phase.end):
            number = log.events[event]
            if number >= 0:
                here = _part(log.storages[number].module, layers, edge)
                if here != part:
                    part = here
                    ordinals[part] = stretch = ordinals.get(part, -1) + 1
            if part == "middle":
                continue
            key = (phase.name, part, stretch, 0)
            found[key] = max(found.get(key, 0), totals[event + 1])
        end = (phase.name, "end", 0, 0)
        found[end] = totals[phase.end]
        top = (phase.name, "whole", 0, 0)
        found[top] = max(totals[phase.start : phase.end + 1])
    return found


def _part(module: str, layers: int, edge: int) -> str:
    """A module's place: outside, or a layer counted from the nearer end of the stack."""
    match = _LAYER.search(module)
    if match is None:
        return module
    number = int(match[1])
    if number < edge:
        return f"layer {number}"
    if number >= layers - edge:
        return f"layer -{layers - number}"
    return "middle"


def extend(logs: dict[int, Log], depth: int, granularity: int, edge: int = 1) -> list[Extended]:
    """Peaks by phase at ``depth`` layers, from the logs of three depths at equal distances."""
    first, second, third = sorted(logs)
    step = second - first
    if third - second != step or step <= 0 or (depth - third) % step:
        raise UnevenGrowth(
            f"depths {first}, {second}, {third} do not lead to {depth} in equal steps"
        )
    tables = [moments(logs[each], each, edge, granularity) for each in (first, second, third)]
    if not tables[0].keys() == tables[1].keys() == tables[2].keys():
        raise UnevenGrowth("the layers do not run the same code at each depth")
    peaks: dict[str, Extended] = {}
    steps = (depth - third) // step
    for key, low in tables[0].items():
        middle, high = tables[1][key], tables[2][key]
        if high - middle != middle - low:
            raise UnevenGrowth(
                f"memory does not grow evenly with depth in {key[0]} ({key[1] or 'outside'}): "
                f"{middle - low:,} and then {high - middle:,} bytes"
            )
        reached = high + steps * (high - middle)
        best = peaks.get(key[0])
        if best is None or reached > best.peak_bytes:
            peaks[key[0]] = Extended(key[0], reached, (high - middle) // step)
    return [*peaks.values()]
