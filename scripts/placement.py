"""Placements beside what engines do by themselves: `python -m scripts.placement` writes
docs/placement.md (--check compares).

The same machines and models for `weigh place`, for accelerate's device_map="auto" (its rules equal
accelerate's own answers, tests/search/test_place_accelerate.py) and for llama.cpp's --fit; then
small placements beside the optimum that HiGHS proves.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

from scripts.place_milp import optimum
from scripts.report import ROOT, table, write
from weighbridge.engine import Question
from weighbridge.request import Request, make_request
from weighbridge.search.place import llama_cpp, transformers
from weighbridge.search.place.chain import Problem, solve
from weighbridge.search.place.find import Placement, place_request
from weighbridge.search.place.host import make_host
from weighbridge.search.place.spots import Tried
from weighbridge.units import format_bytes

REPORT = ROOT / "docs" / "placement.md"


class Case(NamedTuple):
    """A machine and a model; ``narrow`` is the format for llama.cpp."""

    on: str
    host: str
    model: str
    weights: str = "bf16"
    narrow: str = "q4_k_m"
    context: int = 8192
    disk: bool = False


CASES = (
    Case("rtx-4090", "64GB", "llama-3.1-8b"),
    Case("rtx-3060", "64GB", "llama-3.1-8b", narrow="bf16"),
    Case("rtx-4060", "32GB", "llama-3.1-8b", narrow="q8_0", context=16384),
    Case("rtx-4090,rtx-3060", "64GB", "llama-3.1-8b", narrow="bf16"),
    Case("rtx-3060,rtx-4090", "64GB", "llama-3.1-8b", narrow="bf16"),
    Case("2xrtx-3060", "32GB", "qwen2.5-14b-instruct", narrow="bf16"),
    Case("t4", "32GB", "qwen2.5-14b-instruct"),
    Case("rtx-3090", "64GB", "gemma-3-27b-it"),
    Case("rtx-4090,rtx-3060", "96GB", "gemma-3-27b-it", narrow="q8_0"),
    Case("rtx-3060,rtx-4060", "64GB", "phi-4", narrow="q8_0"),
    Case("rtx-3060", "64GB", "qwen3-30b-a3b"),
    Case("rtx-3060,rtx-4090", "64GB", "qwen3-30b-a3b", narrow="bf16"),
    Case("rtx-4090,rtx-3060", "64GB", "qwen3-30b-a3b", narrow="q8_0"),
    Case("rtx-4090", "128GB", "mixtral-8x7b-v0.1"),
    Case("2xrtx-3090", "128GB", "mixtral-8x7b-v0.1", narrow="q8_0"),
    Case("rtx-4090", "192GB", "llama-3.3-70b-instruct"),
    Case("rtx-4090,rtx-3060", "192GB", "llama-3.3-70b-instruct"),
    Case("rtx-4090,rtx-3060", "64GB", "llama-3.3-70b-instruct", disk=True),
    Case("2xrtx-4090", "192GB", "llama-3.3-70b-instruct"),
    Case("4xrtx-3090", "192GB", "llama-3.3-70b-instruct"),
    Case("rtx-5090,rtx-3090,rtx-3060", "192GB", "llama-3.3-70b-instruct"),
    Case("h100-sxm,a100-sxm-40gb", "256GB", "llama-3.3-70b-instruct", narrow="bf16"),
    Case("rtx-4090", "256GB", "qwen3-235b-a22b", disk=True),
    Case("rtx-4090", "64GB", "gpt-oss-120b", weights="auto", narrow="auto"),
    Case("2xl40s", "512GB", "qwen3-235b-a22b"),
)
ENGINES = {"transformers": 'device_map="auto"', "llama.cpp": "--fit on"}


class Row(NamedTuple):
    """A case as one engine has it."""

    case: Case
    engine: str
    placement: Placement
    told: Tried | None
    seconds: float


def rows(engine: str) -> Iterator[Row]:
    """Every case under an engine."""
    for case in CASES:
        started = time.perf_counter()
        placement = place_request(request_of(case, engine), host_of(case))
        seconds = time.perf_counter() - started
        yield Row(case, engine, placement, told(placement), seconds)


def request_of(case: Case, engine: str) -> Request:
    """The case as a request."""
    weights = case.narrow if engine == "llama.cpp" else case.weights
    options = {"on": case.on, "engine": engine, "weights": weights, "context": case.context}
    return make_request(case.model, options)


def host_of(case: Case):  # type: ignore[no-untyped-def]
    """The case's host."""
    return make_host(case.host, None, case.disk)


def told(placement: Placement) -> Tried | None:
    """accelerate's own map where it is told the limits that we found."""
    if placement.engine.name != "transformers" or placement.best is None:
        return None
    placer = placer_of(placement)
    assert isinstance(placer, transformers.Placer)
    limits = ",".join(f"{device}={size}B" for device, size in placement.max_memory().items())
    return placer.automatic("sequential", limits)


def placer_of(placement: Placement) -> transformers.Placer | llama_cpp.Placer:
    """The blocks and the clock behind a placement."""
    question = Question(
        placement.model, placement.engine, placement.request.deployment, placement.tokens,
        placement.request.workload.concurrency, placement.machine.devices,
    )  # fmt: skip
    arguments = (question, placement.request, placement.host, placement.weighting)
    if placement.engine.name == "transformers":
        return transformers.Placer(*arguments)
    return llama_cpp.Placer(*arguments, keeps=True)


if __name__ == "__main__":
    for engine in ENGINES:
        for row in rows(engine):
            p=row.placement
            b,a=p.best,p.automatic
            print(engine[:5], row.case.on,row.case.model,row.case.host,'%.2fs'%row.seconds, b and ('%.2f'%(b.seconds.decode*1e3),b.fits,b.exact,'%.4f'%b.gap), a and ('%.2f'%(a.seconds.decode*1e3),a.fits), row.told and ('%.2f'%(row.told.seconds.decode*1e3),row.told.fits), p.because, flush=True)
