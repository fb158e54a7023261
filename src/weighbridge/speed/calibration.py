"""Constants refitted to one's own machine, from what benchmarks write.

A few runs cannot tell thirty constants: a factor on the bandwidth, one on every launch, one on the
step and one on the arithmetic of prompts are fitted, each held to 1 where the runs are silent.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from os import stat
from typing import Any, NamedTuple

from weighbridge.errors import RequestError
from weighbridge.speed.ask import Subject, answer
from weighbridge.speed.constants import Constants, Fitted, fitted_from
from weighbridge.speed.measured import Run

LARGEST_FILE = 2**20
LAUNCHES = (
    "layer", "norm", "shared", "route", "latent", "indexer", "recurrence",
    "plain_kernel", "quantized_kernel", "mixture_kernel", "attention_kernel",
)  # fmt: skip
BANDWIDTH = ("gemm", "expert", "cache", "ceiling")
STEP = ("step", "row", "routed_row", "reduce", "reduce_host")
PROMPT = ("prefill_rate", "expert_prefill_rate", "attention_rate")
FIRST = ("request", "wait", "prefill_layer")
GROUPS = (BANDWIDTH, LAUNCHES, STEP, PROMPT, FIRST)
# How far runs may pull a group from what thousands of others say (logarithms).
WIDTHS = (0.3, 0.7, 0.7, 0.5, 1.0)


class Calibration(NamedTuple):
    """Fitted constants, and the median absolute error of the runs before and after."""

    fitted: Fitted
    factors: dict[str, float]
    before: float
    after: float
    runs: int


def calibrate(subject: Subject, base: Fitted, runs: Sequence[Run], source: str) -> Calibration:
    """Constants under which ``subject`` runs as it was measured to."""
    usable = [run for run in runs if run.token or run.first]
    if not usable:
        raise RequestError(f"{source} holds no run with a time per token or to the first token")

    def loss(vector: Sequence[float]) -> float:
        constants = _moved(base.constants, vector)
        errors = _errors(subject, base._replace(constants=constants), usable)
        held = sum((x / width) ** 2 for x, width in zip(vector, WIDTHS, strict=True))
        return sum(math.log1p((error / 0.03) ** 2) for error in errors) + 0.1 * held

    start = [0.0] * len(GROUPS)
    found = _descend(loss, start)
    constants = _moved(base.constants, found)
    fitted = base._replace(constants=constants, rows=len(usable), source=source)
    errors = _errors(subject, fitted, usable)
    spread = max((abs(error) for error in errors), default=0.0)
    fitted = fitted._replace(
        low=math.exp(-spread) * 0.95, high=math.exp(spread) * 1.05,
        first_low=math.exp(-spread) * 0.9, first_high=math.exp(spread) * 1.1,
    )  # fmt: skip
    names = ("bandwidth", "launches", "step", "prompt arithmetic", "first token")
    return Calibration(
        fitted,
        {name: math.exp(x) for name, x in zip(names, found, strict=True)},
        _median(_errors(subject, base, usable)),
        _median(errors),
        len(usable),
    )


def _errors(subject: Subject, fitted: Fitted, runs: Sequence[Run]) -> list[float]:
    """Logarithms of predicted over measured, of tokens and of first tokens."""
    errors = []
    for run in runs:
        made = answer(_of_run(subject, run), fitted)
        if made is None:
            raise RequestError(f"the bandwidth of {subject.card.name} is not known")
        if run.token:
            errors.append(math.log(float(made.pace.decode.seconds) / run.token))
        if run.first:
            errors.append(math.log(float(made.pace.first) / run.first))
    return errors


def _of_run(subject: Subject, run: Run) -> Subject:
    tokens = subject.tokens._replace(prompt=max(run.input, 1), output=max(run.output, 1))
    return subject._replace(sequences=run.sequences, tokens=tokens)


def _moved(constants: Constants, vector: Sequence[float]) -> Constants:
    changes = {
        name: getattr(constants, name) * math.exp(x)
        for group, x in zip(GROUPS, vector, strict=True)
        for name in group
    }
    return constants._replace(**changes)


def _descend(loss: Callable[[Sequence[float]], float], start: Sequence[float]) -> list[float]:
    """The least of a smooth function of a few numbers, by steps along each that shrink."""
    at, best, step = list(start), loss(start), 0.3
    while step > 0.002:
        moved = False
        for index in range(len(at)):
            for sign in (step, -step):
                there = [*at]
                there[index] += sign
                value = loss(there)
                if value < best - 1e-9:
                    at, best, moved = there, value, True
        step = step if moved else step / 2
    return at


def _median(errors: Sequence[float]) -> float:
    ordered = sorted(abs(math.expm1(error)) for error in errors)
    return ordered[len(ordered) // 2]


def calibration_to_dict(found: Calibration, subject: Subject) -> dict[str, Any]:
    """What the file holds: one engine's part of constants.json, and where it comes from."""
    fitted = found.fitted
    return {
        "schema": 1,
        "engine": subject.engine,
        "card": subject.card.id,
        "model": subject.model.id,
        "rows": fitted.rows,
        "source": fitted.source,
        "median_error": {"before": found.before, "after": found.after},
        "factors": found.factors,
        "bounds": {
            "low": fitted.low, "high": fitted.high,
            "first_low": fitted.first_low, "first_high": fitted.first_high,
        },
        "constants": fitted.constants._asdict(),
    }  # fmt: skip


def read_calibration(path: str) -> Fitted:
    """Constants from a file that ``weigh calibrate`` wrote."""
    try:
        if stat(path).st_size > LARGEST_FILE:
            raise RequestError(f"{path} is larger than 1 MiB, which no calibration is")
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
        if isinstance(data, dict) and data.get("kind") == "memory constants":
            raise RequestError(f"{path} holds constants of memory and none of speed")
        fitted = fitted_from(data)
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{path} cannot be read: {error}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise RequestError(
            f"{path} is no calibration; make one with: weigh calibrate MODEL --on CARD --from RUNS"
        ) from None
    numbers = [*fitted.constants, fitted.low, fitted.high, fitted.first_low, fitted.first_high]
    if not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise RequestError(f"{path} holds a constant that is not a number of 0 or more")
    return fitted


def speed_for(path: str, engine: str, card: str) -> tuple[Fitted | None, str]:
    """The constants of a calibration of speed for this engine and card, and what a plan says of it.

    Nothing of a file that holds constants of memory.
    """
    try:
        with open(path, encoding="utf-8") as file:
            data = json.loads(file.read(LARGEST_FILE))
    except (OSError, ValueError, RecursionError) as error:
        raise RequestError(f"{path} cannot be read: {error}") from None
    if not isinstance(data, dict) or data.get("kind") == "memory constants":
        return None, ""
    fitted = read_calibration(path)
    of = (str(data.get("engine"))[:40], str(data.get("card"))[:60])
    if of != (engine, card):
        return None, f"speed is not calibrated by {path}: it is of {of[0]} on {of[1]}"
    return fitted, f"speed calibrated by {path}: {fitted.rows:,} runs"
