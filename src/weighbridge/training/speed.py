"""Placeholder until written."""

from __future__ import annotations

from typing import Any

TrainingSpeed = Any


def training_speed(setup: Any, machine: Any) -> Any:
    return None
