"""The ladder of remedies, in the order in which they cost speed, each tried on the plan itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from weighbridge.errors import InputError
from weighbridge.planner import Remedy
from weighbridge.records import replace
from weighbridge.request import Training, TrainingRequest
from weighbridge.search.bisect import largest
from weighbridge.training.planner import TrainingPlan, plan_training

SHORTEST = 256


class Rung(NamedTuple):
    """A change, what it costs, and whether it says something for this request."""

    changes: dict[str, Any]
    why: str
    applies: Callable[[TrainingPlan], bool]


def _is(name: str, *values: Any) -> Callable[[TrainingPlan], bool]:
    return lambda plan: getattr(plan.request.training, name) in values


def _setting(name: str, *values: str) -> Callable[[TrainingPlan], bool]:
    return lambda plan: plan.settings[name] in values


def _two_states(plan: TrainingPlan) -> bool:
    return plan.setup.optimizer.name in {"adamw", "adamw-foreach", "adamw-loop", "adamw-fp32"}


RUNGS = (
    Rung({"expandable_segments": True}, "costs nothing: the allocator hoards less",
         _is("expandable_segments", False)),
    Rung({"kernels": "liger", "loss": "liger"},
         "costs nothing: logits are made in chunks, norms and activations are fused",
         _setting("loss", "hf", "hf-4", "chunked")),
    Rung({"attn_implementation": "sdpa"}, "faster: no score matrix is written out",
         _is("attn_implementation", "eager")),
    Rung({"batching": "packed"}, "faster: no padding, no mask", _is("batching", "padded")),
    Rung({"optimizer": "adamw"}, "faster: the fused step makes no copies",
         _is("optimizer", "adamw-foreach", "adamw-loop")),
    Rung({"sharding": "fsdp2"}, "costs communication: states and weights are cut over the ranks",
         lambda plan: plan.settings["sharding"] in {"ddp", "zero1", "zero2"}
         and plan.ranks.shards > 1),
    Rung({"optimizer": "adamw-8bit"}, "costs little: states in 8 bit", _two_states),
    Rung({"checkpointing": "selective"}, "costs some arithmetic: cheap parts are computed again",
         _setting("checkpointing", "none")),
    Rung({"checkpointing": "full"}, "costs a quarter to a third: every layer is computed twice",
         _setting("checkpointing", "none", "selective")),
    Rung({"method": "lora"}, "trains adapters only", _is("method", "full")),
    Rung({"checkpointing": "offloaded"}, "costs traffic to the host: layers' inputs stand there",
         _setting("checkpointing", "none", "selective", "full")),
    Rung({"method": "qlora"}, "trains adapters only; weights are unpacked for every product",
         _is("method", "full", "lora")),
    Rung({"offload": "optimizer"}, "costs traffic to the host in every step",
         lambda plan: plan.settings["sharding"] not in {"none", "ddp"}
         and plan.request.training.offload == "none"),
    Rung({"offload": "all"}, "costs traffic to the host in every pass",
         lambda plan: plan.settings["sharding"] in {"zero3", "fsdp", "fsdp2"}
         and plan.request.training.offload in {"none", "optimizer"}),
)  # fmt: skip


def with_ladder(plan: TrainingPlan) -> TrainingPlan:
    """The plan, with what would make it fit in its verdict."""
    if plan.fits is not False:
        return plan
    found = list(_single(plan))
    if not found:
        climbed = _climbed(plan)
        found = [climbed] if climbed is not None else []
    found += [
        each
        for each in (_smaller(plan, "micro_batch", 1), _smaller(plan, "seq_len", SHORTEST))
        if each is not None
    ]
    return replace(plan, verdict=plan.verdict._replace(remedies=tuple(found)))


def attempt(plan: TrainingPlan, **changes: Any) -> TrainingPlan | None:
    """The plan under changed options; None where they exclude each other."""
    training = plan.request.training._replace(**_consistent(plan.request.training, changes))
    try:
        return plan_training(TrainingRequest(plan.request.model, training), plan.model)
    except InputError:
        return None


def _consistent(now: Training, changes: dict[str, Any]) -> dict[str, Any]:
    """An adapter on a frozen base is trained in the base's regime, not in one of full training."""
    if changes.get("method") in {"lora", "qlora"} and now.method == "full":
        return {**changes, "precision": None}
    return changes


def _total(plan: TrainingPlan) -> int:
    return max(device.total for device in plan.devices)


def _single(plan: TrainingPlan) -> Iterator[Remedy]:
    for rung in RUNGS:
        if rung.applies(plan):
            changed = attempt(plan, **rung.changes)
            if changed is not None and changed.fits:
                yield _remedy(rung.changes, changed, rung.why)


def _climbed(plan: TrainingPlan) -> Remedy | None:
    """Rung upon rung, keeping those that help, until it fits."""
    taken: dict[str, Any] = {}
    now = plan
    for rung in RUNGS:
        if not rung.applies(now):
            continue
        changed = attempt(plan, **{**taken, **rung.changes})
        if changed is None or _total(changed) >= _total(now):
            continue
        taken, now = {**taken, **rung.changes}, changed
        if now.fits:
            return _remedy(taken, now, "these together, in the order in which they cost speed")
    return None


def _remedy(changes: dict[str, Any], plan: TrainingPlan, why: str) -> Remedy:
    flags = [f"--{name.replace('_', '-')}" + ("" if value is True else f" {value}")
             for name, value in changes.items()]  # fmt: skip
    option, _, value = (
        " ".join(flags).rpartition(" ") if " " in flags[-1] else (" ".join(flags), "", "")
    )
    return Remedy(option, value, _total(plan), why)


def _smaller(plan: TrainingPlan, name: str, least: int) -> Remedy | None:
    """A smaller micro-batch with more accumulation, or shorter sequences."""
    training = plan.request.training
    now = plan.length if name == "seq_len" else training.micro_batch

    def changes(count: int) -> dict[str, Any]:
        if name == "seq_len":
            return {name: count}
        steps = -(-now * training.grad_accumulation // count)
        return {name: count, "grad_accumulation": steps}

    def fits(count: int) -> bool:
        changed = attempt(plan, **changes(count))
        return changed is not None and changed.fits is True

    best = largest(fits, least, now - 1)
    changed = attempt(plan, **changes(best)) if best is not None else None
    if best is None or changed is None:
        return None
    why = "costs speed: smaller products" if name == "micro_batch" else "sequences are cut short"
    return _remedy(changes(best), changed, why)
