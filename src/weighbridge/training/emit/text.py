"""Comments, YAML and Python literals, written without a library: keys are ours, values plain."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from weighbridge.training.planner import TrainingPlan
from weighbridge.units import format_bytes

Settings = Mapping[str, Any]


def comment(plan: TrainingPlan, *more: str) -> str:
    """What the plan says, a line of comment each."""
    devices = max(plan.devices, key=lambda device: device.total)
    lines = [
        f"{plan.model.id}: {format_bytes(devices.total)} on the fullest device, between "
        f"{format_bytes(devices.low)} and {format_bytes(devices.high)}",
        plan.verdict.because,
        *(f"{name}: {sentence}" for name, sentence in (plan.speed.facts() if plan.speed else ())),
        *more,
    ]
    return "".join(f"# {_one_line(line)}\n" for line in lines if line)


def _one_line(text: str) -> str:
    """Without what a terminal or a new line would make of it: a model's name is not ours."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def yaml(settings: Settings, indent: int = 0) -> str:
    """YAML of nested mappings, lists and scalars (JSON scalars are YAML)."""
    lines = []
    for key, value in settings.items():
        start = " " * indent + f"{key}:"
        if isinstance(value, Mapping):
            lines.append(f"{start}\n{yaml(value, indent + 2)}")
        elif isinstance(value, Sequence) and not isinstance(value, str):
            items = "".join(f"{' ' * indent}  - {json.dumps(item)}\n" for item in value)
            lines.append(f"{start}\n{items}" if items else f"{start} []\n")
        else:
            lines.append(f"{start} {json.dumps(value)}\n")
    return "".join(lines)


def python_call(name: str, settings: Settings) -> str:
    """A call with keyword arguments, one a line."""
    lines = "".join(f"    {key}={value!r},\n" for key, value in settings.items())
    return f"{name}(\n{lines})\n"


def given(settings: Settings) -> dict[str, Any]:
    """Without what is not set."""
    return {key: value for key, value in settings.items() if value is not None}
