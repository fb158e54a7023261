"""The Python face: ``import weighbridge as wb; wb.plan("llama-3.1-8b", on="rtx-4090")``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from weighbridge.errors import RequestError
from weighbridge.planner import Plan, plan_request
from weighbridge.request import make_request

if TYPE_CHECKING:
    from weighbridge.rules import RuleResult
    from weighbridge.search.fit import Fit
    from weighbridge.search.room import Room
    from weighbridge.search.sweep import Sweep
    from weighbridge.show.explain import Explanation
    from weighbridge.speed.report import SpeedReport
    from weighbridge.trace.question import Question
    from weighbridge.trace.result import Trace
    from weighbridge.training.planner import TrainingPlan

Name = str | os.PathLike[str]


def plan(model: Name, **options: Any) -> Plan:
    """What ``model`` takes: a catalogue name, a config.json, a checkpoint folder, or a size.

    Options are those of the command line: ``on``, ``engine``, ``weights``, ``kv_cache_dtype``,
    ``context`` (``max_model_len``), ``input_tokens``, ``output_tokens``, ``concurrency``, …

    >>> import weighbridge as wb
    >>> wb.plan("llama-3.1-8b", weights="bf16").term("weights")
    16060522496
    """
    made = plan_request(make_request(os.fspath(model), options))
    if made.fits is not False:
        return made
    from weighbridge.search.remedies import with_remedies

    return with_remedies(made)


def sweep(
    model: Name, *, context: Sequence[int], concurrency: Sequence[int] = (1,), **options: Any
) -> Sweep:
    """Totals over contexts × concurrencies; one evaluation over arrays where numpy is there."""
    from weighbridge.search.sweep import sweep as sweep_request

    return sweep_request(make_request(os.fspath(model), options), context, concurrency)


def room(
    model: Name, *, context: Sequence[int], concurrency: Sequence[int] = (1,), **options: Any
) -> Room:
    """What contexts × users need, and which of them a machine holds at once.

    >>> import weighbridge as wb
    >>> found = wb.room("llama-3.1-8b", on="rtx-4090", engine="vllm", context=[8192],
    ...                 concurrency=[1, 16])
    >>> found.holds
    ((True, False),)
    """
    from weighbridge.search.room import room as room_request

    return room_request(make_request(os.fspath(model), options), context, concurrency)


def train(model: Name, *, solve: str | None = None, **options: Any) -> TrainingPlan:
    """What training ``model`` takes; options are those of ``weigh train``.

    ``solve`` is ``micro-batch``, ``seq-len``, ``cards`` or ``method``: the answer is then the
    largest, the longest, the fewest or the cheapest that fits.

    >>> import weighbridge as wb
    >>> wb.train("llama-3.1-8b", method="lora", seq_len=2048).term("adapters")
    167772160
    """
    from weighbridge.request import make_training
    from weighbridge.training.ladder import with_ladder
    from weighbridge.training.planner import plan_training
    from weighbridge.training.solve import solve_training

    request = make_training(os.fspath(model), options)
    made = plan_training(request) if solve is None else solve_training(request, solve)
    return with_ladder(made)


def fit(model: Name, **options: Any) -> Fit:
    """How far a machine goes: longest context, most users, best format, and what binds."""
    from weighbridge.search.fit import fit as fit_request

    return fit_request(make_request(os.fspath(model), options))


def speed(
    model: Name,
    *,
    drafts: int = 0,
    what_if: bool = False,
    calibration: str | None = None,
    **options: Any,
) -> SpeedReport:
    """Time per token and to the first token; ``what_if`` adds what each remedy is worth."""
    from weighbridge.speed.report import speed_report

    request = make_request(os.fspath(model), options)
    return speed_report(request, drafts=drafts, remedies=what_if, calibration=calibration)


def explain(model: Name | None = None, *, term: str | None = None, **options: Any) -> Explanation:
    """What a term is; with a model its formula, inputs, bounds and source in that plan.

    >>> import weighbridge as wb
    >>> wb.explain(term="kv_cache").to_dict()["terms"][0]["label"]
    'KV cache'
    """
    from weighbridge.show.explain import explain_term

    if model is None and options:
        make_request("", options)  # a misspelt option is told before the model is missed
        raise RequestError("options explain a term of a plan; name its model too")
    made = None if model is None else plan_request(make_request(os.fspath(model), options))
    return explain_term(term, made)


def trace(
    model: Name, *, timeout: int = 300, host_memory: int | str = "16GiB", **options: Any
) -> tuple[Trace, Question]:
    """The model's own code run without weights, and the question as it was understood.

    Options are those of ``weigh trace``; the pass is ``**{"pass": "train"}`` or ``run="train"``.
    Needs ``weighbridge[trace]``, and no GPU.
    """
    from weighbridge.model.raw import raw_config
    from weighbridge.trace.question import make_question
    from weighbridge.trace.run import run_trace
    from weighbridge.units import parse_size

    if "run" in options:
        options["pass"] = options.pop("run")
    question = make_question(raw_config(os.fspath(model)), options)
    memory = parse_size(host_memory, "host_memory")
    return run_trace(question, seconds=timeout, memory=memory), question


def rules(model: Name, **options: Any) -> tuple[RuleResult, ...]:
    """What well-known rules of thumb would say of the model, beside the plan's figures."""
    from weighbridge.rules import rules_for

    return rules_for(plan(model, **options))
