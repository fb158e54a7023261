"""What every written command has in common: the settled request, the plan's numbers, the check."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from weighbridge.errors import LaunchError
from weighbridge.launch.shell import join
from weighbridge.options import Option, engine_options
from weighbridge.options.common import DEPLOYMENT, WORKLOAD
from weighbridge.planner import Plan
from weighbridge.request import Deployment, Request, Workload
from weighbridge.units import format_bytes

RANKED = ("vllm", "sglang", "tensorrt-llm")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
WORDS = {
    "weights": "weights",
    "kv_cache": "KV cache",
    "state": "states",
    "activations": "activations",
    "logits": "logits",
    "workspace": "workspace",
    "graphs": "CUDA graphs",
    "context": "CUDA context",
    "reserve": "allocator",
}


class Container(NamedTuple):
    """What a container of an engine runs: its image, its words, its variables, its port."""

    image: str
    words: tuple[str, ...]
    environment: dict[str, str]
    port: int
    files: dict[str, str]


def settled(request: Request, cards: int) -> Request:
    """The request with the tensor parallelism that a plan takes where none was asked for.

    A plan spreads a model over every card that is named; an engine's own default is one rank.
    """
    deployment = request.deployment
    name = deployment.engine.partition("==")[0]
    if name not in RANKED or deployment.tensor_parallel_size is not None:
        return request
    others = (deployment.pipeline_parallel_size or 1) * (deployment.data_parallel_size or 1)
    return request._replace(
        deployment=deployment._replace(tensor_parallel_size=max(cards // others, 1))
    )


def settled_of(plan: Plan) -> Request:
    """The request of a plan, its engine's version, its ranks and its slots spelled out."""
    request = settled(plan.request, len(plan.machine.devices) if plan.machine else 1)
    request = request._replace(deployment=request.deployment._replace(engine=str(plan.engine)))
    if plan.engine.name == "llama.cpp":
        from weighbridge.launch import llama_cpp

        return llama_cpp.settled(request)
    return request


def safe(words: Sequence[str]) -> list[str]:
    """The words, none of which could break out of a line of a comment."""
    for word in words:
        if _CONTROL.search(word):
            raise LaunchError(f"{word[:60]!r} holds a control character; rename it")
    return list(words)


def verify(request: Request, words: Sequence[str], carried: frozenset[str]) -> list[str]:
    """The words of the ``weigh`` command that plans what the written one would launch.

    A command of Ollama's server names no model, which then stands before it.
    """
    named = [request.model] if request.deployment.engine.startswith("ollama") else []
    return ["weigh", *named, *request_words(request, carried), "--", *words]


def request_words(request: Request, carried: frozenset[str] = frozenset()) -> list[str]:
    """The flags of ``weigh`` for what of a request is not carried by the command itself."""
    own = engine_options(request.deployment.engine).own
    rows: list[tuple[Option, Any]] = []
    for option in (*DEPLOYMENT, *WORKLOAD):
        where = request.deployment if option.name in Deployment._fields else request.workload
        value = getattr(where, option.name)
        default = getattr(Deployment(), option.name, getattr(Workload(), option.name, None))
        if option.name not in carried and value != default:
            rows.append((option, value))
    rows += [(own[name], value) for name, value in request.deployment.own.items()
             if name not in carried]  # fmt: skip
    return [word for option, value in rows for word in _words(option, value)]


def _words(option: Option, value: Any) -> list[str]:
    if option.kind == "flag":
        return [option.flag if value else "--no-" + option.flag[2:]]
    text = f"{value}B" if option.kind == "size" else str(value)
    return [f"{option.flag}={text}"] if text.startswith("-") else [option.flag, text]


def comment(plan: Plan, check: Sequence[str] | None, mark: str = "#") -> list[str]:
    """The plan's numbers as lines of a comment, and the command that verifies them."""
    where = f" on {plan.machine.name}" if plan.machine else ""
    lines = [f"{plan.model.id}{where}, {plan.engine}; weighbridge {plan.version}"]
    fullest = max(plan.devices, key=lambda device: device.total)
    sums: dict[str, int] = {}
    for term in fullest.terms:
        sums[term.name] = sums.get(term.name, 0) + term.bytes
    parts = ", ".join(f"{WORDS.get(k, k)} {format_bytes(v)}" for k, v in sums.items() if v)
    each = "each device" if len(plan.devices) > 1 else "the device"
    lines.append(f"{each}: {format_bytes(fullest.total)} = {parts}")
    if plan.capacity.tokens is not None:
        held = f"room for {plan.capacity.tokens:,} tokens of cache"
        if plan.capacity.sequences is not None:
            held += f", {plan.capacity.sequences:.2f} sequences of {plan.tokens.cached:,} tokens"
        lines.append(held)
    verdict = {True: "fits", False: "DOES NOT FIT", None: "not judged"}[plan.fits]
    lines.append(f"{verdict}: {plan.verdict.because}")
    if plan.fits is False:
        lines += [f"try {each.option} {each.value}: {each.why}"
                  for each in plan.verdict.remedies[:3]]  # fmt: skip
    lines = [_CONTROL.sub("�", line) for line in lines]
    if check is not None:
        lines.append("verify: " + join(safe(check), width=10**9))
    return [f"{mark} {line}" for line in lines]
