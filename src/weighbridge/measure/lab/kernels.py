"""Points without a model: what a framework takes of a device, and how fast it multiplies and
copies."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import torch

from weighbridge.measure.lab.meters import Meter
from weighbridge.trace.question import DTYPES

Say = Callable[..., None]
LEAST_SECONDS = 0.02
MOST_RUNS = 1000


def context(point: Mapping[str, Any], meter: Meter) -> dict[str, Any]:
    """What the process holds once it can compute: the driver's part, or resident on a host."""
    if point["framework"] != "torch":
        import_module(point["framework"])
        if point["framework"] == "transformers":
            # Its models are imported on first use, and no program goes without one.
            import_module("transformers.models.llama.modeling_llama")
    with meter.phase("resident"):
        tensor = torch.ones((64, 64), device=meter.device)
        if point["product"]:
            tensor = tensor @ tensor
        meter.settle()
    held = _latest(meter, "driver_used") if meter.device != "cpu" else _latest(meter, "resident")
    reserved = _latest(meter, "reserved_peak")
    return {"terms": [
        {"name": "context", "phase": "resident", "bytes": int(held - reserved), "number": "",
         "formula": "held by the process less what the allocator reserved"}
    ]}  # fmt: skip


def _latest(meter: Meter, name: str) -> float:
    return meter.seen.get((name, "resident"), [0])[-1]


def product(point: Mapping[str, Any], meter: Meter, repeats: int) -> dict[str, Any]:
    """Operations per second of one matrix product: 2·m·n·k each."""
    dtype = getattr(torch, DTYPES[point["dtype"]])
    m, n, k = point["m"], point["n"], point["k"]
    left = torch.ones((m, k), dtype=dtype, device=meter.device)
    right = torch.ones((k, n), dtype=dtype, device=meter.device)
    out = torch.empty((m, n), dtype=dtype, device=meter.device)
    for seconds in timed(lambda: torch.mm(left, right, out=out), meter, repeats):
        meter.see("seconds", "resident", seconds)
        meter.see("product_rate", "resident", 2.0 * m * n * k / seconds)
    return {"terms": []}


def copy(point: Mapping[str, Any], meter: Meter, repeats: int) -> dict[str, Any]:
    """Bytes per second: those copied, which within a device are read and written as well."""
    size, direction = point["bytes"], point["direction"]
    here, there = {"device": (meter.device, meter.device), "to-device": ("cpu", meter.device),
                   "from-device": (meter.device, "cpu")}[direction]  # fmt: skip
    pinned = {"pin_memory": True} if meter.device == "cuda" else {}
    make: Any = lambda where: torch.ones(size, dtype=torch.uint8, device=where,  # noqa: E731
                                         **(pinned if where == "cpu" else {}))  # fmt: skip
    source, target = make(here), make(there)
    for seconds in timed(lambda: target.copy_(source), meter, repeats):
        meter.see("seconds", "resident", seconds)
        meter.see("copy_rate", "resident", size / seconds)
    return {"terms": []}


def timed(run: Callable[[], Any], meter: Meter, repeats: int) -> list[float]:
    """Seconds of one run, ``repeats`` times, each a mean over as many runs as can be timed well."""
    run()
    meter.settle()
    start = time.perf_counter()
    run()
    meter.settle()
    once = max(time.perf_counter() - start, 1e-7)
    runs = min(MOST_RUNS, int(LEAST_SECONDS / once) + 1)
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(runs):
            run()
        meter.settle()
        found.append((time.perf_counter() - start) / runs)
    return found
