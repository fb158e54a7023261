"""Placement for vLLM: which cards share the model, how, and ``--cpu-offload-gb``.

Every rank holds an equal part and leaves as many GiB of its weights in host memory, which cross the
link in every step (vllm model_executor/models/utils.py, maybe_offload_to_cpu; from 0.11 the
kernels read them there, over the same link).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from weighbridge.engine import Question
from weighbridge.errors import InputError
from weighbridge.hardware.card import Card
from weighbridge.hardware.machine import machine_of
from weighbridge.planner import Plan, plan_request
from weighbridge.request import Request
from weighbridge.search.bisect import largest
from weighbridge.search.place.clock import NOTHING, Seconds
from weighbridge.search.place.host import Host, link_of
from weighbridge.search.place.spots import Answer, Tried, Weighting, best_of, changed
from weighbridge.speed.ask import Answer as Pace
from weighbridge.speed.offload import Tier
from weighbridge.speed.serve import Offloaded, pace_of
from weighbridge.units import GIB, ceil_div, format_bytes


def place(question: Question, request: Request, host: Host, weigh: Weighting) -> Answer:
    """The fastest of the layouts that fit, and all cards without anything offloaded."""

    def plan(best: Tried) -> Plan:
        return plan_request(changed(request, best.options), question.model)

    found = list(_tries(question, request, host))
    whole = machine_of(question.cards).name
    automatic = _tried(question, request, host, {"on": whole}, 0)
    why = (
        "no layout fits, with as much in host memory as it holds "
        f"({format_bytes(host.memory)}); use a shorter --context, a smaller --weights format, or "
        "more cards"
    )
    return Answer(best_of(found, weigh), automatic, plan, why, "all cards, nothing offloaded")


def _tries(question: Question, request: Request, host: Host) -> Iterator[Tried]:
    for options in layouts(question.cards):
        least = _least(question, request, host, options)
        tried = None if least is None else _tried(question, request, host, options, least)
        if tried is not None:
            yield tried


def layouts(cards: Sequence[Card]) -> list[dict[str, Any]]:
    """All cards, and equal ones by powers of two, each by tensor and by pipeline parallelism."""
    groups = [list(cards)]
    for card in dict.fromkeys(cards):
        same, count = [each for each in cards if each == card], 1
        while count <= len(same):
            groups.append(same[:count])
            count *= 2
    found = []
    for group in groups:
        name = machine_of(group).name
        for tensor in dict.fromkeys((len(group), 1)):
            ways = {"tensor_parallel_size": tensor, "pipeline_parallel_size": len(group) // tensor}
            found.append({"on": name, **ways})
    return [each for index, each in enumerate(found) if each not in found[:index]]


def _least(question: Question, request: Request, host: Host, options: dict[str, Any]) -> int | None:
    """The fewest GiB of each rank in host memory with which it fits."""
    ranks = options["tensor_parallel_size"] * options["pipeline_parallel_size"]
    bare = _plan(question, request, {**options, "on": None}, 0)
    whole = ceil_div(bare.term("weights"), GIB) if bare is not None else 0
    most = min(whole, host.memory // GIB // ranks)

    def fits(kept: int) -> bool:
        plan = _plan(question, request, options, most - kept)
        return plan is not None and plan.fits is True

    kept = largest(fits, 0, most)
    return None if kept is None else most - kept


def _plan(
    question: Question, request: Request, options: dict[str, Any], offload: int
) -> Plan | None:
    more = {"cpu_offload_gb": float(offload)} if offload else {}
    try:
        return plan_request(changed(request, {**options, **more}), question.model)
    except InputError:
        return None


def _tried(
    question: Question, request: Request, host: Host, options: dict[str, Any], offload: int
) -> Tried | None:
    plan = _plan(question, request, options, offload)
    if plan is None or not isinstance(plan.speed, Pace):
        return None
    away = 0 if plan.host is None else sum(t.bytes for t in plan.host.terms if t.name == "weights")
    used = (*(device.total for device in plan.devices), away)
    limits = (
        *((device.usable or 0) if plan.fits else -1 for device in plan.devices),
        host.memory,
    )
    more = {"cpu_offload_gb": float(offload)} if offload else {}
    seconds = _seconds(plan, plan.speed, away, host)
    return Tried((), {**options, **more}, seconds, used, (0,) * len(used), limits)


def _seconds(plan: Plan, pace: Pace, away: int, host: Host) -> Seconds:
    """The pace of the plan, what is away crossing the slowest link."""
    setting = pace.setting
    if away:
        link = min(link_of(card) for card in pace.subject.cards)
        tier = Tier("host memory", min(link, host.bandwidth), "weights cross the link")
        share = away / max(away + plan.term("weights"), 1)
        setting = setting._replace(offloaded=Offloaded(share, tier))
    found = pace_of(setting)
    return NOTHING.plus(Seconds(float(found.decode.seconds), float(found.prefill.seconds)))
