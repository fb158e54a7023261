"""Measured runs that say how requests came, and their simulation.

Closed loops are the rows of ``speed_serving.csv.gz`` that InferenceX measured: its scripts open as
many connections as the row's concurrency, all at once, and send ten prompts over each
(``--max-concurrency C --num-prompts 10·C --request-rate inf``), 0.8 to 1 times as long as nominal.
What the scripts say of the scheduler and a row does not is in ``launch_of``. Open loops are in
``fleet_requests.csv.gz``: every request of four runs of LLMServingSim (MIT,
casys-kaist/LLMServingSim@5daddb2, ``bench/examples``: vLLM 0.19.0, Poisson at 10 a second, lengths
of ShareGPT); and in ``fleet_stages.jsonl``: stages of inference-perf by the authors of BLIS.
"""

from __future__ import annotations

import json
from itertools import repeat
from random import Random
from typing import Any, NamedTuple

from scripts.report import ROOT
from weighbridge.fleet.clock import Clock, Span
from weighbridge.fleet.constants import Scheduling
from weighbridge.fleet.policy import Limits, Policy, policy_of
from weighbridge.fleet.replica import Replica
from weighbridge.fleet.requests import Requests
from weighbridge.fleet.router import Router
from weighbridge.fleet.simulate import Closed, Fleet, Front, Stage
from weighbridge.measure.accuracy.speed import setting_of
from weighbridge.speed.constants import Constants
from weighbridge.speed.serve import Setting

TRUTH = ROOT / "tests" / "truth"
REQUESTS = TRUTH / "fleet_requests.csv.gz"
STAGES = TRUTH / "fleet_stages.jsonl"
WAVES = 10
ROOM = 10**9


class Seen(NamedTuple):
    """Means over a run, in seconds."""

    ttft: float
    tpot: float
    e2e: float


def stages() -> list[dict[str, Any]]:
    with open(STAGES, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def asked_at_once(row: dict[str, str]) -> bool:
    """Whether the row is of a closed loop whose launch script is known."""
    return row["benchmark"] == "InferenceX" and not row["remark"]


def launch_of(row: dict[str, str], accepted: float = 1.0) -> tuple[Policy, int]:
    """The scheduler as InferenceX launched it (``benchmarks/`` of SemiAnalysisAI/InferenceX).

    SGLang on Blackwell looks at new requests every 10 decode steps, every 30 from 16 connections on
    (``--scheduler-recv-interval``); TensorRT-LLM waits for prompts to come together where the
    scripts of Llama-70B and DeepSeek say so (``batch_wait_timeout_iters``).
    """
    engine, family, card = row["engine"], row["family"], row["card"]
    users, read, wrote = int(row["concurrency"]), int(row["input"]), int(row["output"])
    policy, tokens = policy_of(engine), 8192
    short = read == wrote == 1024
    if engine == "sglang":
        narrow = row["format"].startswith("nvfp4")
        tokens = 16384 if narrow else 32768
        if card in {"b200-sxm", "b300-sxm"} and family in {"deepseek", "qwen3.5"}:
            poll = 30 if users >= 16 else 10
            policy = policy._replace(poll=round(poll * accepted))
    elif engine == "tensorrt-llm" and family == "llama-70b":
        tokens = read + wrote + 256
        if short and int(row["tensor"]) < 8:
            policy = policy._replace(hold=20, hold_tokens=int(0.9 * tokens))
    elif engine == "tensorrt-llm" and family == "gpt-oss":
        tokens = 20000
    elif engine == "tensorrt-llm" and family == "deepseek":
        tokens = max(8192, users + read + 64)
        if short and row["format"] == "fp8-block" and card == "b200-sxm" and 64 <= users < 256:
            policy = policy._replace(hold=40, hold_tokens=int(0.8 * tokens))
    return policy, tokens


def spread_lengths(nominal: int, mean: int, count: int, random: Random) -> list[int]:
    """Uniform up to ``nominal`` about ``mean``, as the benchmark draws them."""
    low = max(2 * mean - nominal, 1)
    return [random.randint(low, nominal) if low < nominal else nominal for _ in range(count)]


def closed_loop(
    row: dict[str, str], constants: Constants, known: Scheduling, setting: Setting | None = None
) -> Seen:
    """Ten waves of a row's connections on one rank of data parallelism."""
    setting = setting or setting_of(row, constants)
    policy, tokens = launch_of(row, float(setting.load.accepted))
    users = max(round(int(row["concurrency"]) / setting.shape.layout.data), 1)
    random, count = Random(7), users * WAVES
    inputs = spread_lengths(int(row["input"]), int(row["mean_input"]), count, random)
    outputs = spread_lengths(int(row["output"]), int(row["mean_output"]), count, random)
    requests = Requests([0.0] * count, inputs, outputs)
    means = int(row["mean_input"]), int(row["mean_output"])
    clock = Clock(setting, Span(means[0], sum(means)), known.floor(setting.shape))
    replica = Replica(0, clock, policy, Limits(ROOM, ROOM, tokens), requests, late=known.wait)
    closed = Closed(users, repeat(0.0))
    Fleet(requests, Stage([replica], Router()), Front(known.request), closed=closed).run()
    return seen_by(requests)


def seen_by(requests: Requests) -> Seen:
    """Means over all requests."""
    count = len(requests)
    rows = zip(requests.when, requests.began, requests.ended, requests.output, strict=True)
    ttft = tpot = e2e = 0.0
    several = 0
    for when, began, ended, output in rows:
        ttft += began - when
        e2e += ended - when
        if output > 1:
            several += 1
            tpot += (ended - began) / (output - 1)
    return Seen(ttft / count, tpot / max(several, 1), e2e / count)
