"""100,000 speeds by arrays beside a loop of single ones: `python -m benchmarks.speed_arrays`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from weighbridge.request import make_request
from weighbridge.speed.ask import ask
from weighbridge.speed.serve import pace_of

PLANS = 100_000
LOOP = 1_000


def cpu_seconds(run: Callable[[], Any]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def main() -> None:
    found = ask(make_request("qwen3-30b-a3b", {"on": "2xh100-sxm", "engine": "vllm"}))
    draw = np.random.default_rng(0)
    columns = {
        "sequences": draw.integers(1, 256, PLANS),
        "input": draw.integers(128, 16_384, PLANS),
        "output": draw.integers(16, 2_048, PLANS),
    }
    setting = found.setting
    arrays = setting._replace(load=setting.load._replace(**columns))
    whole = cpu_seconds(lambda: pace_of(arrays))

    def loop() -> None:
        for i in range(LOOP):
            one = {name: int(column[i]) for name, column in columns.items()}
            pace_of(setting._replace(load=setting.load._replace(**one)))

    single = cpu_seconds(loop) / LOOP * PLANS
    print(f"{PLANS:,} plans with speed, one core, CPU seconds")
    print(f"by arrays       {whole:8.3f}")
    print(f"one by one      {single:8.3f}  (from {LOOP:,})")


if __name__ == "__main__":
    main()
