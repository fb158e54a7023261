"""A row's question as a plan; the rows name a model and options."""

from __future__ import annotations

from typing import Any

from weighbridge.memory.own import NONE
from weighbridge.planner import Plan, plan_request
from weighbridge.request import make_request, make_training
from weighbridge.training.planner import TrainingPlan, plan_training


def ask_plan(model: str, **options: Any) -> Plan:
    """The plan of a run, without remedies and without constants of one's own."""
    return plan_request(make_request(model, {**options, "calibration": NONE}))


def ask_training(model: str, **options: Any) -> TrainingPlan:
    """The plan of a training, without a ladder of others."""
    return plan_training(make_training(model, options))
