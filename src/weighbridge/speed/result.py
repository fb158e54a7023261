"""An answer as JSON prints it."""

from __future__ import annotations

from typing import Any

from weighbridge.speed.ask import Answer, bound_by
from weighbridge.speed.step import Split

PARTS = ("weights", "cache", "compute", "communicate", "launches", "interference", "offload")


def split_to_dict(split: Split) -> dict[str, Any]:
    """Seconds by part, and what sets them."""
    return {
        "seconds": float(split.seconds),
        "split": {name: float(getattr(split, name)) for name in PARTS},
        "arithmetic_seconds": float(split.arithmetic),
        "bound_by": bound_by(split),
        "memory_wait_fraction": float(split.memory_wait_fraction),
    }


def speed_to_dict(answer: Answer) -> dict[str, Any]:
    """The ``speed`` part of a plan, and of ``weigh speed``."""
    pace, fitted, load = answer.pace, answer.fitted, answer.setting.load
    token, first = float(pace.decode.seconds), float(pace.first)
    return {
        "kind": "model",
        "engine": answer.subject.engine,
        "constants": {"rows": fitted.rows, "source": fitted.source},
        "prefill": {
            **split_to_dict(pace.prefill),
            "kind": "model",
            "tokens": int(load.input),
            "tokens_per_second": float(load.input / pace.prefill.seconds),
            "arithmetic_intensity": answer.prompt_intensity,
            "time_to_first_token": {
                "alone": float(pace.alone),
                "seconds": first,
                "low": first * fitted.first_low,
                "high": first * fitted.first_high,
                "burst_of_ten_waves": float(pace.burst),
            },
        },
        "decode": {
            **split_to_dict(pace.decode),
            "kind": "model",
            "sequences": int(load.sequences),
            "seconds_per_token": token,
            "low": token * fitted.low,
            "high": token * fitted.high,
            "tokens_per_second_per_user": 1 / token,
            "tokens_per_second": float(load.sequences) / token,
            "arithmetic_intensity": answer.intensity,
            "ridge_point": answer.ridge,
        },
    }
