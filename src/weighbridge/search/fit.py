"""How far a machine goes: the longest context, the most users, the best format, and what binds.

Every answer is found by bisection on the plan itself, so that it fits when it is planned and one
step more does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from weighbridge.errors import InputError, RequestError
from weighbridge.formats import find_format
from weighbridge.model.facts import Model
from weighbridge.model.load import load_model
from weighbridge.options import engine_options
from weighbridge.planner import Plan, plan_request
from weighbridge.request import Request, Workload
from weighbridge.search.bisect import largest

MOST_USERS = 65_536
UNKNOWN_POSITIONS = 2**20
FRONTIER = tuple(2**n for n in range(10, 21))
FORMATS = ("fp32", "bf16", "fp8", "int8", "nf4", "nf4-dq")
CONTEXT, USERS = "max_model_len", "concurrency"


class Reach(NamedTuple):
    """The most of one option that fits, with its plan; ``plan`` is None where nothing does.

    ``binding`` names what one step more would break.
    """

    option: str
    value: int
    plan: Plan | None
    binding: str


class Lever(NamedTuple):
    """One change and what it moves: the option's reach before and after."""

    changes: Mapping[str, Any]
    why: str
    before: int
    after: int


class Fit(NamedTuple):
    """The answers for one model on one machine."""

    request: Request
    model: Model
    context: Reach
    users: Reach
    format: Plan | None
    frontier: tuple[tuple[int, int], ...]
    levers: tuple[Lever, ...]

    def __str__(self) -> str:
        from weighbridge.show.fit import fit_to_text

        return fit_to_text(self)

    def _repr_html_(self) -> str:
        from weighbridge.show.html import text_to_html

        return text_to_html(str(self))

    def to_dict(self) -> dict[str, Any]:
        """The answers as JSON prints them."""
        return {
            "schema": 1,
            "model": {"id": self.model.id, "parameters": self.model.parameters},
            "request": self.request.to_dict(),
            "longest_context": _reach_to_dict(self.context),
            "most_users": _reach_to_dict(self.users),
            "best_format": None if self.format is None else self.format.settings["weights"],
            "frontier": [{"context": c, "users": n} for c, n in self.frontier],
            "levers": [
                {"changes": dict(each.changes), "why": each.why, "option": CONTEXT,
                 "before": each.before, "after": each.after}
                for each in self.levers
            ],
        }  # fmt: skip


def _reach_to_dict(reach: Reach) -> dict[str, Any]:
    return {
        "option": reach.option,
        "value": reach.value,
        "binding": reach.binding,
        "total_bytes": None if reach.plan is None else reach.plan.total,
    }


def fit(request: Request) -> Fit:
    """All of it; raises :class:`RequestError` where no card is named or lengths are fixed."""
    if request.deployment.on is None:
        raise RequestError("no card was named; add --on CARD to see what fits on it")
    if request.workload.input_tokens is not None:
        raise RequestError("a fit reads each context as a prompt that fills it; leave "
                           "--input-tokens out")  # fmt: skip
    model = load_model(request.model)
    if not model.generates:
        raise RequestError(f"{model.id} does not generate, so nothing is cached for its users")
    context = longest_context(request, model)
    return Fit(
        request,
        model,
        context,
        most_users(request, model),
        best_format(request, model),
        frontier(request, model),
        levers(request, model, context.value),
    )


def longest_context(request: Request, model: Model) -> Reach:
    """The longest context at the request's concurrency, up to the model's positions."""
    most = model.max_positions or UNKNOWN_POSITIONS
    low = 1 + (request.workload.output_tokens or 0)
    return _reach(request, model, CONTEXT, low, most, f"the model has {most:,} positions")


def most_users(request: Request, model: Model) -> Reach:
    """The most sequences at once at the request's context."""
    return _reach(request, model, USERS, 1, MOST_USERS, f"no more than {MOST_USERS:,} are tried")


def best_format(request: Request, model: Model) -> Plan | None:
    """The plan of the format of most bits that fits; the files' own where they fit."""
    for name in ("auto", *FORMATS):
        if name != "auto" and find_format(name).bits_per_weight > _stored_bits(request, model):
            continue
        plan = attempt(request, model, weights=name)
        if plan is not None and plan.fits:
            return plan
    return None


def _stored_bits(request: Request, model: Model) -> float:
    """Bits per weight of the files as they are: more of them would add nothing."""
    plan = attempt(request._replace(deployment=request.deployment._replace(on=None)), model,
                   weights="auto")  # fmt: skip
    return 16.0 if plan is None else plan.term("weights") * 8 / max(model.parameters, 1) + 0.5


def frontier(request: Request, model: Model) -> tuple[tuple[int, int], ...]:
    """The most users at contexts of powers of two, as long as one fits."""
    longest = model.max_positions or UNKNOWN_POSITIONS
    found: list[tuple[int, int]] = []
    most = MOST_USERS
    for context in sorted({*(c for c in FRONTIER if c < longest), longest}):

        def holds(users: int, context: int = context) -> bool:
            return _fits(attempt(request, model, **{CONTEXT: context, USERS: users}))

        users = largest(holds, 1, most)
        if users is None:
            break
        found.append((context, users))
        most = users
    return tuple(found)


def levers(request: Request, model: Model, before: int) -> tuple[Lever, ...]:
    """What moves the longest context: each change by itself, by what it gains."""
    takes = engine_options(request.deployment.engine)
    known = {*takes.takes, *takes.own, USERS}
    users = request.workload.concurrency
    tried: list[tuple[dict[str, Any], str]] = [
        *(({"weights": name}, "smaller weights") for name in ("fp8", "int8", "nf4")),
        ({"kv_cache_dtype": "fp8"}, "half the cache"),
        ({"kv_cache_dtype": "q8_0"}, "about half the cache"),
        ({"gpu_memory_utilization": 0.95}, "the engine plans with more of the card"),
        ({"enforce_eager": True}, "no CUDA graphs"),
        ({"max_num_batched_tokens": 2048}, "smaller steps of prefill"),
        ({"max_num_seqs": max(users, 1)}, "no room for sequences that were not asked for"),
        ({"on": f"2x{request.deployment.on}"}, "twice the cards"),
        ({USERS: max(users // 2, 1)}, "half the users"),
    ]
    found = []
    for changes, why in tried:
        if set(changes) <= known and not _already(request, changes):
            changed = _changed(request, changes)
            after = longest_context(changed, model).value if changed else 0
            if after > before:
                found.append(Lever(changes, why, before, after))
    return tuple(sorted(found, key=lambda lever: -lever.after))


def _already(request: Request, changes: Mapping[str, Any]) -> bool:
    now = request.to_dict()
    return all(now.get(name) == value for name, value in changes.items())


def _changed(request: Request, changes: Mapping[str, Any]) -> Request | None:
    """The request under changed options; None where they cannot be."""
    workload = {k: v for k, v in changes.items() if k in Workload._fields}
    deployment = request.deployment
    own = {k: v for k, v in changes.items() if k in engine_options(deployment.engine).own}
    common = {k: v for k, v in changes.items() if k not in workload and k not in own}
    if "on" in common and ("," in str(deployment.on) or "x" in str(deployment.on).split("-")[0]):
        return None
    return request._replace(
        deployment=deployment._replace(**common, own={**deployment.own, **own}),
        workload=request.workload._replace(**workload),
    )


def attempt(request: Request, model: Model, **changes: Any) -> Plan | None:
    """The plan under changed options; None where they exclude each other."""
    changed = _changed(request, changes)
    try:
        return None if changed is None else plan_request(changed, model)
    except InputError:
        return None


def _fits(plan: Plan | None) -> bool:
    return plan is not None and plan.fits is True


def _reach(request: Request, model: Model, option: str, low: int, high: int, end: str) -> Reach:
    def at(value: int) -> Plan | None:
        return attempt(request, model, **{option: value})

    best = largest(lambda value: _fits(at(value)), low, high)
    if best is None:
        return Reach(option, 0, None, _why_not(lambda: plan_at(request, model, option, low)))
    if best == high:
        return Reach(option, best, at(best), end)
    return Reach(
        option, best, at(best), _why_not(lambda: plan_at(request, model, option, best + 1))
    )


def plan_at(request: Request, model: Model, option: str, value: int) -> Plan:
    """The plan with one option set; raises what the planner raises."""
    changed = _changed(request, {option: value})
    return plan_request(changed or request, model)


def _why_not(plan: Callable[[], Plan]) -> str:
    """What breaks there, in the verdict's or the refusal's words."""
    try:
        return plan().verdict.because
    except InputError as error:
        return str(error)
