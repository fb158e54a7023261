"""Plans per second in a sweep, by arrays beside one by one: `python -m benchmarks.sweep`.

Numbers vary (context, tokens in and out, users), model, card and engine do not. ``memory`` are the
columns of bytes, bounds and verdict; ``all`` adds the time per token and to the first.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from weighbridge.study import arrays
from weighbridge.study.evaluate import Stretch, columns_of, numbers_of, one_by_one, why_not
from weighbridge.study.kinds import PLAN_COLUMNS
from weighbridge.study.points import Group, Numbers, groups_of
from weighbridge.study.read import Axis, Study
from weighbridge.study.run import ARRAY_STRETCH

TARGET = 1_000_000
LOOP = 200
ROUNDS = 3
MEMORY = tuple(name for name in PLAN_COLUMNS if name not in arrays.SPEEDS)
CASES: tuple[tuple[str, str, str, dict[str, int]], ...] = (
    ("transformers", "llama-3.1-8b", "max_model_len", {}),
    ("transformers", "qwen3-30b-a3b", "max_model_len", {}),
    ("vllm", "llama-3.1-8b", "input_tokens", {"max_model_len": 16384}),
    ("vllm", "qwen3-30b-a3b", "input_tokens", {"max_model_len": 16384}),
    ("sglang", "llama-3.1-8b", "input_tokens", {"max_model_len": 16384}),
    ("tensorrt-llm", "llama-3.1-8b", "input_tokens", {"max_model_len": 16384}),
)


def study_of(engine: str, model: str, field: str, more: dict[str, Any], columns: Any) -> Study:
    """A million points: 7,813 lengths × 128 users."""
    lengths = tuple((tokens,) for tokens in range(128, 128 + 7813))
    users = tuple((count,) for count in range(1, 129))
    fixed = {"model": model, "engine": engine, "on": "h100-sxm", **more}
    axes = (Axis((field,), lengths), Axis(("concurrency",), users))
    return Study(engine, "plan", fixed, axes, columns)


def seconds(run: Callable[[], Any]) -> float:
    """CPU seconds, the least of a few rounds."""
    found = []
    for _ in range(ROUNDS):
        start = time.process_time()
        run()
        found.append(time.process_time() - start)
    return min(found)


def whole(study: Study, group: Group, numbers: Numbers) -> None:
    """Every point of the study as arrays, the numbers of the points included."""
    asked = arrays.settled(group.same)
    for start in range(0, group.size, ARRAY_STRETCH):
        stop = min(start + ARRAY_STRETCH, group.size)
        stretch = Stretch(group, start, stop, True)
        places = np.arange(stretch.start, stretch.stop, dtype=np.int64)
        at = numbers.at(group, places)
        assert arrays.takes(asked, at).all()
        columns_of(asked, at, study.columns, len(places))


def main() -> None:
    print("plans per second on one core (CPU seconds): by arrays, one by one, ratio")
    for engine, model, field, more in CASES:
        for said, columns in (("memory", MEMORY), ("all", PLAN_COLUMNS)):
            study = study_of(engine, model, field, more, columns)
            (group,) = groups_of(study, numbers_of(study))
            numbers = Numbers(study)
            reason = why_not(study, group, numbers)
            if reason:
                print(f"{engine:<13} {model:<14} {said:<7} not by arrays: {reason}")
                continue
            by_arrays = group.size / seconds(lambda: whole(study, group, numbers))  # noqa: B023
            places = np.linspace(0, group.size - 1, LOOP).astype(np.int64)
            single = LOOP / seconds(lambda: one_by_one(study, group, places))  # noqa: B023
            reached = "" if by_arrays >= TARGET else f"  (under {TARGET:,})"
            print(f"{engine:<13} {model:<14} {said:<7} {by_arrays:11,.0f} {single:7,.0f} "
                  f"{by_arrays / single:8,.0f}×{reached}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
