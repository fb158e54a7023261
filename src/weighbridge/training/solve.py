"""The inverse questions: the largest micro-batch, the longest sequence, the fewest cards, and the
method that gives up least, each found on the plan itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from weighbridge.errors import InputError, RequestError
from weighbridge.hardware.machine import MOST_DEVICES, parse_machine
from weighbridge.model.facts import Model
from weighbridge.model.load import load_model
from weighbridge.records import replace
from weighbridge.request import TrainingRequest
from weighbridge.search.bisect import largest
from weighbridge.training.planner import TrainingPlan, plan_training

MOST_SEQUENCES = 65_536
LONGEST = 16 * 2**20


def solve_training(request: TrainingRequest, what: str) -> TrainingPlan:
    """The plan of the answer; where nothing fits, the plan of the least that could."""
    if what not in SOLVERS:
        raise RequestError(f"solve {what[:40]!r} is not one of {', '.join(SOLVERS)}")
    if request.training.on is None:
        raise RequestError(f"--solve {what} needs a card: add --on CARD")
    model = load_model(request.model)
    return SOLVERS[what](request, model)


def _plan(request: TrainingRequest, model: Model, **changes: Any) -> TrainingPlan | None:
    try:
        return plan_training(request._replace(training=request.training._replace(**changes)), model)
    except InputError:
        return None


def _fits(plan: TrainingPlan | None) -> bool:
    return plan is not None and plan.fits is True


def _answer(request: TrainingRequest, model: Model, said: str, **changes: Any) -> TrainingPlan:
    plan = plan_training(request._replace(training=request.training._replace(**changes)), model)
    sentence = said if plan.fits else "nothing that was tried fits; this is the least of it"
    return replace(plan, assumptions=(sentence, *plan.assumptions))


def _most(request: TrainingRequest, model: Model, name: str, high: int, said: str) -> TrainingPlan:
    """The largest value of an option that fits."""
    least: dict[str, Any] = {name: 1}
    plan_training(request._replace(training=request.training._replace(**least)), model)
    best = largest(lambda count: _fits(_plan(request, model, **{name: count})), 1, high)
    return _answer(request, model, said.format(best or 1), **{name: best or 1})


def _micro_batch(request: TrainingRequest, model: Model) -> TrainingPlan:
    return _most(request, model, "micro_batch", MOST_SEQUENCES,
                 "micro_batch {:,} is the largest that fits")  # fmt: skip


def _seq_len(request: TrainingRequest, model: Model) -> TrainingPlan:
    return _most(request, model, "seq_len", min(model.max_positions or LONGEST, LONGEST),
                 "seq_len {:,} is the longest that fits, within the model's positions")  # fmt: skip


def _cards(request: TrainingRequest, model: Model) -> TrainingPlan:
    """The fewest cards of the named kind, states cut over all of them."""
    machine = parse_machine(request.training.on or "")
    if machine.mixed:
        raise RequestError("--solve cards counts one kind of card; name it once in --on")
    card = machine.devices[0].id
    training = request.training
    inner = (training.tensor_parallel_size * training.pipeline_parallel_size
             * training.context_parallel_size)  # fmt: skip

    def changes(data: int) -> dict[str, Any]:
        cut = training.sharding or ("fsdp2" if data > 1 else None)
        return {"on": f"{data * inner}x{card}", "data_parallel_size": data, "sharding": cut}

    most = MOST_DEVICES // inner
    best = _least(lambda data: _fits(_plan(request, model, **changes(data))), most)
    count = (best or most) * inner
    return _answer(
        request, model, f"{count:,} cards are the fewest that fit", **changes(best or most)
    )


def _least(holds: Callable[[int], bool], high: int) -> int | None:
    """The smallest n up to ``high`` that holds, where more never hurts but that 1 is not cut."""
    if holds(1):
        return 1
    if not holds(high):
        return None
    none = largest(lambda n: not holds(n), 1, high)
    return (none or 0) + 1


def _method(request: TrainingRequest, model: Model) -> TrainingPlan:
    """Full training before LoRA before QLoRA; within each, what costs least speed first."""
    tried = [
        {"method": method, "optimizer": optimizer, "checkpointing": checkpointing}
        for method in ("full", "lora", "qlora")
        for checkpointing in ("none", "selective", "full", "offloaded")
        for optimizer in dict.fromkeys((request.training.optimizer, "adamw-8bit"))
    ]
    for changes in tried:
        if _fits(_plan(request, model, **changes)):
            said = "the first that fits of full, lora and qlora, with the least recomputation"
            return _answer(request, model, said, **changes)
    return _answer(request, model, "", **tried[-1])


SOLVERS: dict[str, Callable[[TrainingRequest, Model], TrainingPlan]] = {
    "micro-batch": _micro_batch,
    "seq-len": _seq_len,
    "cards": _cards,
    "method": _method,
}
