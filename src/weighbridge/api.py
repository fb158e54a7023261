"""The Python face: ``import weighbridge as wb; wb.plan("llama-3.1-8b", on="rtx-4090")``."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from weighbridge.errors import RequestError
from weighbridge.planner import Plan, plan_request
from weighbridge.request import make_request

if TYPE_CHECKING:
    from weighbridge.check import Report as CheckReport
    from weighbridge.fleet.answer import FleetAnswer
    from weighbridge.measure.accuracy.report import Report
    from weighbridge.measure.beside import Measured
    from weighbridge.measure.campaign import Done
    from weighbridge.measure.store import Store
    from weighbridge.measure.watch.sight import Line
    from weighbridge.rules import RuleResult
    from weighbridge.run.session import RunResult
    from weighbridge.search.fit import Fit
    from weighbridge.search.models import Shelf
    from weighbridge.search.place.find import Placement
    from weighbridge.search.recommend import Recommendation
    from weighbridge.search.room import Room
    from weighbridge.search.sweep import Sweep
    from weighbridge.show.explain import Explanation
    from weighbridge.speed.report import SpeedReport
    from weighbridge.study.run import Swept
    from weighbridge.trace.question import Question
    from weighbridge.trace.result import Trace
    from weighbridge.training.planner import TrainingPlan

Name = str | os.PathLike[str]


def plan(model: Name, *, remedies: bool = True, **options: Any) -> Plan:
    """What ``model`` takes: a catalogue name, a config.json, a checkpoint folder, or a size.

    Options are those of the command line: ``on``, ``engine``, ``weights``, ``kv_cache_dtype``,
    ``context`` (``max_model_len``), ``input_tokens``, ``output_tokens``, ``concurrency``, …
    Where it does not fit, what would make it fit is searched, which takes as long as many plans;
    ``remedies=False`` leaves that out.

    >>> import weighbridge as wb
    >>> wb.plan("llama-3.1-8b", weights="bf16").term("weights")
    16060522496
    """
    made = plan_request(make_request(os.fspath(model), options))
    if made.fits is not False or not remedies:
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


def study(path: Name, *, out: str | None = None, **options: Any) -> Swept:
    """Every point of a study file into CSV, Parquet or JSON lines; goes on where it stopped.

    ``on_ray`` is the address of a Ray cluster (``local`` starts one), ``restart`` begins again,
    and ``told`` hears how many points are finished of how many.
    """
    from weighbridge.study.read import read_study
    from weighbridge.study.run import run_study

    return run_study(read_study(os.fspath(path)), out, **options)


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


def place(
    model: Name,
    *,
    host_memory: int | str | None = None,
    host_bandwidth: int | str | None = None,
    disk: bool | int | str | None = None,
    prefill_weight: float | str = 0.0,
    **options: Any,
) -> Placement:
    """What of ``model`` lies on which GPU, in host memory or on disk, for the least time.

    ``options`` are those of a plan. ``disk`` is True, or its rate, where weights may lie on it;
    ``prefill_weight`` counts a prompt's tokens beside those of the output.
    """
    from weighbridge.options import Option, read_value
    from weighbridge.search.place.find import place_request
    from weighbridge.search.place.host import make_host

    request = make_request(os.fspath(model), options)
    weight = float(read_value(Option("prefill_weight", "", kind="number"), prefill_weight))
    return place_request(request, make_host(host_memory, host_bandwidth, disk), weight)


def speed(
    model: Name,
    *,
    drafts: int = 0,
    what_if: bool = False,
    **options: Any,
) -> SpeedReport:
    """Time per token and to the first token; ``what_if`` adds what each remedy is worth."""
    from weighbridge.speed.report import speed_report

    request = make_request(os.fspath(model), options)
    return speed_report(request, drafts=drafts, remedies=what_if)


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


def recommend(model: Name | None = None, **options: Any) -> Recommendation | Shelf:
    """Which card, how many, which engine, format and split; without a model, which models.

    Constraints are options: ``ttft``, ``tpot``, ``price_per_hour``, ``purchase_price``, ``power``,
    ``owned``, ``least_bits``; ``by`` says what comes first.
    """
    from weighbridge.search import models, wishes
    from weighbridge.search.recommend import recommend as search

    if model is None:
        return models.models_for(*wishes.read_limits(options))
    return search(*wishes.read_wish(os.fspath(model), options))


def fleet(
    model: Name, *, on_progress: Callable[[str, float], bool | None] | None = None, **options: Any
) -> FleetAnswer:
    """How many cards serve so many users, what they wait, what it costs: a fleet, simulated.

    Options are those of ``weigh fleet``. ``on_progress`` is told what is simulated and how far it
    is (0 to 1); where it returns true, :class:`weighbridge.fleet.simulate.Cancelled` is raised.
    """
    from weighbridge.fleet.answer import answer_of

    return answer_of(model, on_progress=on_progress, **options)


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


def check(path: str | os.PathLike[str]) -> CheckReport:
    """Whether what a file expects of deployments holds: what ``weigh check`` prints."""
    from pathlib import Path

    from weighbridge.check import check_file

    return check_file(Path(path))


def run(
    model: Name, prompt: str, *, yes: bool = False, heard: Any = None, **options: Any
) -> RunResult:
    """Load ``model`` as best fits this machine, generate, and set the plan beside what it took.

    Options are those of ``weigh run``. RequestError where nothing fits, or where something would
    be downloaded without ``yes=True``. Needs ``weighbridge[run]``.
    """
    from weighbridge.errors import RequestError
    from weighbridge.run.choose import Refused
    from weighbridge.run.session import Wanted, execute, prepare

    unknown = set(options) - set(Wanted._fields)
    if unknown:
        raise RequestError(f"a run has no option {min(unknown)!r}")
    ready = prepare(Wanted(os.fspath(model), prompt, **options))
    if isinstance(ready, Refused):
        raise RequestError(ready.because)
    if ready.source.download and not yes:
        raise RequestError(f"{ready.source.download:,} bytes would be downloaded; say yes=True")
    return execute(ready, heard)


def measure(
    *, repeats: int = 3, timeout: float = 1800, heard: Any = None, **options: Any
) -> Measured:
    """One point run in a process of its own on this machine, beside its plan.

    Options are those of ``weigh measure``: ``kind``, ``model``, ``weights``, ``concurrency``, …
    Needs ``weighbridge[run]``.
    """
    from weighbridge.measure.beside import beside
    from weighbridge.measure.points import make_point
    from weighbridge.measure.taking import take

    point = make_point(options)
    return beside(take(point, repeats=repeats, seconds=timeout, heard=heard))


def campaign(
    name: str,
    *,
    into: str | None = None,
    time_limit: str | float | None = None,
    reduced: bool = False,
    repeats: int | None = None,
    timeout: float = 1800,
    told: Any = None,
) -> Done:
    """A matrix of points measured into ``into`` (``NAME.jsonl``), from where it was ended."""
    from pathlib import Path

    from weighbridge.measure.campaign import load, run
    from weighbridge.measure.limits import parse_seconds
    from weighbridge.measure.taking import machine_here, take

    wanted = load(name, reduced=reduced)
    if repeats is not None:
        wanted = wanted._replace(repeats=repeats)
    limit = None if time_limit is None else parse_seconds(time_limit)
    path = Path(into or f"{wanted.name}.jsonl")
    machines = {device: machine_here(device) for device in wanted.devices}

    def taken(point: Any, **how: Any) -> Any:
        how["seconds"] = min(timeout, how.get("seconds", timeout))
        return take(point, **how)

    return run(wanted, path, machines, taken, time_limit=limit, told=told)


def store(where: str = "") -> Store:
    """The store of measurements at a path or a URL, the user's own by default; made if missing.

    ``with wb.store() as kept: kept.rows("measurement")``
    """
    from weighbridge.measure.store import open_store

    return open_store(where, write=True)


def accuracy(*sets: str, where: str = "", rows: Sequence[str] = ()) -> Report:
    """Every measured row beside ours: ``wb.accuracy("vllm").groups("family")``.

    Without names every set; ``own`` are rows of the store at ``where`` and of files ``rows``.
    """
    from weighbridge.measure.accuracy.everything import collect

    return collect(sets or None, where, rows)


def look(pid: int | None = None, url: str | None = None, plan: Plan | None = None) -> list[Line]:
    """What a process and a server hold and do now, beside ``plan``."""
    from weighbridge.measure.watch import sight

    return sight.lines(sight.look(pid, url), None, plan)


def rules(model: Name, **options: Any) -> tuple[RuleResult, ...]:
    """What well-known rules of thumb would say of the model, beside the plan's figures."""
    from weighbridge.rules import rules_for

    return rules_for(plan(model, **options))
