"""Many plans of one structure as one evaluation of the engine's formulas over int64 arrays.

It follows ``planner.plan_request`` step by step; what a formula cannot do with arrays raises, and
the group is then planned one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from weighbridge.engine import (
    CacheFacts,
    DeviceSpending,
    Engine,
    Question,
    Spending,
    default_context,
    parse_engine,
    spend,
    stated_context,
)
from weighbridge.engine.layout import Layout
from weighbridge.formats.table import StorageFormat
from weighbridge.hardware.machine import parse_machine
from weighbridge.model.facts import Model
from weighbridge.model.load import load_model
from weighbridge.request import DEFAULT_CONTEXT, Request, Tokens, make_request, settle_tokens
from weighbridge.speed.fitted import FITTED
from weighbridge.study.kinds import PLAN_COLUMNS, TERMS
from weighbridge.units import maximum, where

USERS = frozenset({"concurrency"})
LENGTHS = frozenset({"input_tokens", "output_tokens"})
CONTEXT = frozenset({"max_model_len"})
ALL = USERS | LENGTHS | CONTEXT
# What of an engine's plan may be an array. A server that sizes its pool at the start depends on
# its context in steps of whole blocks and graphs, so that each context is a group.
NUMBERS: dict[str, frozenset[str]] = {
    "transformers": ALL,
    "vllm": USERS | LENGTHS,
    "sglang": USERS | LENGTHS,
    "tensorrt-llm": USERS | LENGTHS,
}
SPEEDS = frozenset({"seconds_per_token", "ttft"})
COLUMNS = frozenset(PLAN_COLUMNS) | {"kv.capacity_tokens"}


class NotByArrays(Exception):
    """This group, or these columns, cannot be arrays."""


class Peak(NamedTuple):
    """A device at its fullest phase: bytes of each term's name, the total and its bounds."""

    terms: Mapping[str, Any]
    total: Any
    low: Any
    high: Any
    cached: Any
    usable: int | None


class Asked(NamedTuple):
    """What a group asks, settled, but for the arrays."""

    request: Request
    model: Model
    engine: Engine
    cards: tuple[Any, ...]
    context: int | None
    default: int | None


def settled(same: Mapping[str, Any]) -> Asked:
    """What does not depend on the arrays, worked out once."""
    options = dict(same)
    request = make_request(str(options.pop("model")), options)
    deployment = request.deployment
    engine = parse_engine(deployment.engine)
    machine = parse_machine(deployment.on) if deployment.on is not None else None
    model = load_model(request.model)
    return Asked(
        request,
        model,
        engine,
        machine.devices if machine else (),
        stated_context(engine, deployment),
        default_context(engine, model),
    )


def rows_of(asked: Asked, numbers: Mapping[str, Any], columns: tuple[str, ...]) -> dict[str, Any]:
    """Each column at every point: an array, or one value for all of them."""
    question = _question(asked, numbers)
    spending = spend(question)
    if spending.tokens is not None:
        raise NotByArrays("the engine finds the context by itself")
    cards = question.cards
    peaks = [_peak(device, cards[device.index].usable_bytes if cards else None)
             for device in spending.devices]  # fmt: skip
    found: dict[str, Any] = {
        "fits": _fits(question, spending, peaks),
        "total_bytes": sum(peak.total for peak in peaks),
        "low": sum(peak.low for peak in peaks),
        "high": sum(peak.high for peak in peaks),
        "error": None,
    }
    for name in TERMS:
        found[f"terms.{name}"] = sum(peak.terms.get(name, 0) for peak in peaks)
    tokens, sequences = _capacity(question, spending, peaks)
    found["kv.capacity_tokens"], found["kv.max_concurrency"] = tokens, sequences
    if SPEEDS & set(columns):
        found["seconds_per_token"], found["ttft"] = _seconds(question, spending, peaks)
    return {name: found[name] for name in columns}


def _question(asked: Asked, numbers: Mapping[str, Any]) -> Question:
    request, model = asked.request, asked.model
    deployment, workload = request.deployment, request.workload
    lengths = {name: numbers[name] for name in LENGTHS | CONTEXT if name in numbers}
    if not lengths:
        stated = deployment if asked.context is None else deployment._replace(
            max_model_len=asked.context)  # fmt: skip
        tokens = settle_tokens(
            request._replace(deployment=stated),
            model.max_positions,
            generates=model.generates,
            default=asked.default,
        )
    else:
        if asked.context is not None or deployment.max_model_len == -1:
            raise NotByArrays("the context is stated by the engine's own options")
        context = lengths.get("max_model_len", deployment.max_model_len)
        prompt = lengths.get("input_tokens", workload.input_tokens)
        output = lengths.get("output_tokens", workload.output_tokens)
        tokens = settle_arrays(asked, context, prompt, output)
        if "max_model_len" in lengths:
            deployment = deployment._replace(max_model_len=context)
    users = numbers.get("concurrency", workload.concurrency)
    return Question(model, asked.engine, deployment, tokens, users, asked.cards)


def settle_arrays(asked: Asked, context: Any, prompt: Any, output: Any) -> Tokens:
    """``request.settle_tokens`` over arrays of lengths that it would take."""
    if not asked.model.generates:
        output = 1
    if output is not None:
        output = maximum(output, 1)
    if prompt is not None:
        if output is None:
            output = 1 if context is None else maximum(context - prompt, 1)
        return Tokens(prompt, output)
    if context is None:
        longest = asked.model.max_positions
        own = DEFAULT_CONTEXT if asked.default is None else asked.default
        context = own if longest is None else min(own, longest)
    if output is None:
        return Tokens(context, 1)
    return Tokens(where(output <= 1, context, context - output), output)


def takes(asked: Asked, numbers: Mapping[str, Any]) -> Any:
    """Where ``settle_tokens`` and the request would take the lengths, as an array of bools."""
    import numpy

    size = len(next(iter(numbers.values())))
    good = numpy.ones(size, dtype=bool)
    for name in ("max_model_len", "input_tokens", "concurrency"):
        if name in numbers:
            good &= (numbers[name] >= 1) & (numbers[name] <= 10**9)
    workload, deployment = asked.request.workload, asked.request.deployment
    context = numbers.get("max_model_len", deployment.max_model_len)
    prompt = numbers.get("input_tokens", workload.input_tokens)
    output = numbers.get("output_tokens", workload.output_tokens)
    if "output_tokens" in numbers:
        good &= numbers["output_tokens"] <= 10**9
    if context is None and prompt is None and output is not None:
        context = asked.default or min(DEFAULT_CONTEXT, asked.model.max_positions or 10**9)
    if context is not None and output is not None and prompt is None:
        good &= (output < context) | (output <= 1)
    if context is not None and prompt is not None:
        good &= prompt + (1 if output is None else maximum(output, 1)) <= context + 1
    return good


def _peak(device: DeviceSpending, usable: int | None) -> Peak:
    """The first of the phases in which it holds most, as the planner's ``max`` takes it."""
    phases = [(*device.resident, *terms) for terms in device.phases.values()]
    totals = [_sum(term.bytes for term in terms) for terms in phases]
    low, high = device.bounds or (
        _most([_sum(term.low for term in terms) for terms in phases]),
        _most([_sum(term.high for term in terms) for terms in phases]),
    )
    held = [_named(terms) for terms in phases]
    total, terms = totals[0], held[0]
    for other, more in zip(totals[1:], held[1:], strict=True):
        names = dict.fromkeys((*terms, *more))
        fuller = other > total
        terms = {name: where(fuller, more.get(name, 0), terms.get(name, 0))
                 if terms.get(name, 0) is not more.get(name, 0) else terms.get(name, 0)
                 for name in names}  # fmt: skip
        total = where(fuller, other, total)
    return Peak(terms, total, low, high, _cached(device.phases.get("decode")), usable)


def _cached(terms: Any) -> Any:
    """Bytes of cache and state of a phase; None where there is no such phase."""
    if terms is None:
        return None
    return _sum(term.bytes for term in terms if term.name in {"kv_cache", "state"})


def _named(terms: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for term in terms:
        found[term.name] = found[term.name] + term.bytes if term.name in found else term.bytes
    return found


def _sum(values: Any) -> Any:
    """A sum that adds plain ints first, for an array is long and an int is not."""
    plain, total = 0, None
    for value in values:
        if isinstance(value, int):
            plain += value
        else:
            total = value if total is None else total + value
    return plain if total is None else total + plain


def _most(values: list[Any]) -> Any:
    found = values[0]
    for value in values[1:]:
        found = maximum(found, value)
    return found


def _fits(question: Question, spending: Spending, peaks: list[Peak]) -> Any:
    """``planner._verdict``: None without cards; no where refused, or where the pool is short."""
    if any(peak.usable is None for peak in peaks):
        return None
    if spending.refusal is not None:
        return False
    inside: Any = True
    for peak in peaks:
        inside = inside & (peak.total <= peak.usable)
    room = spending.capacity
    if room is not None and room.sequences is not None:
        inside = inside & (room.sequences >= question.concurrency)
    return inside


def _capacity(question: Question, spending: Spending, peaks: list[Peak]) -> tuple[Any, Any]:
    """``planner._capacity``: what is left beside all but the cache, on the tightest device."""
    if spending.capacity is not None:
        return spending.capacity.tokens, spending.capacity.sequences
    if any(peak.usable is None or peak.cached is None for peak in peaks):
        return None, None
    least: Any = None
    for peak in peaks:
        if isinstance(peak.cached, int) and peak.cached == 0:
            continue
        room = (peak.usable or 0) - peak.total + _sum(
            size for name, size in peak.terms.items() if name in {"kv_cache", "state"})  # fmt: skip
        sequences = maximum(room, 0) * question.concurrency / peak.cached
        least = sequences if least is None else where(sequences < least, sequences, least)
    if least is None:
        return None, None
    return (least * question.tokens.cached).astype("int64"), least


def _seconds(question: Question, spending: Spending, peaks: list[Peak]) -> tuple[Any, Any]:
    """``planner._speed``: seconds per token and to the first, of the engine or of the floor."""
    if not question.cards or spending.storage is None:
        return None, None
    if question.engine.name in FITTED and question.model.generates:
        from weighbridge.planner import modelled, own_times
        from weighbridge.speed.constants import constants_of, platform_of

        if constants_of(question.engine.name, platform_of(question.cards[0].vendor)) is not None:
            made = modelled(question, spending, spending.storage, own_times(question)[0])
            return (None, None) if made is None else (made.pace.decode.seconds, made.pace.first)
    return _floor(question, spending, spending.storage, spending.cache, spending.layout, peaks)


def _floor(
    question: Question,
    spending: Spending,
    storage: StorageFormat,
    cache: CacheFacts,
    layout: Layout,
    peaks: list[Peak],
) -> tuple[Any, Any]:
    from weighbridge.speed.roofline import speed_floor

    held = [(peak.terms.get("weights", 0), 0 if peak.cached is None else peak.cached)
            for peak in peaks]  # fmt: skip
    used = question._replace(cards=tuple(question.cards[d.index] for d in spending.devices))
    at_once = layout.tensor * layout.data
    found = speed_floor(used, storage, cache, spending.settings["activations"], held, at_once)
    if found is None:
        return None, None
    return None if found.decode is None else found.decode.seconds, found.prefill.seconds
