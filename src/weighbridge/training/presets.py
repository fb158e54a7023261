"""Preference and reinforcement learning: the further models and engines beside the one trained.

One row per objective. DPO and its kin read a frozen reference (none where adapters can be switched
off: TRL's ``ref_model=None`` with PEFT), and pass the chosen and the rejected answer at once; PPO
adds a reward model and a critic with states of its own; GRPO needs no critic. Both generate: the
engine that shares the device takes a share of it (TRL's vLLM colocate mode,
``vllm_gpu_memory_utilization``), or generation runs in turn with the same weights and a cache.
"""

from __future__ import annotations

from typing import NamedTuple

from weighbridge.planner import DevicePlan
from weighbridge.records import replace
from weighbridge.term import Term
from weighbridge.training.setup import CUT_WEIGHTS, Setup


class Objective(NamedTuple):
    """``references`` frozen copies of the model, ``critics`` trained ones beside it; ``rows`` are
    sequences of one example; ``generates`` says that answers are sampled in the loop."""

    name: str
    references: int
    critics: int
    rows: int
    generates: bool
    source: str


OBJECTIVES = {
    "sft": Objective("sft", 0, 0, 1, False, "one model, one sequence per example"),
    "reward": Objective("reward", 0, 0, 2, False, "trl RewardTrainer: chosen and rejected"),
    "dpo": Objective("dpo", 1, 0, 2, False, "trl DPOTrainer: a reference, chosen and rejected"),
    "orpo": Objective("orpo", 0, 0, 2, False, "trl ORPOTrainer: no reference"),
    "kto": Objective("kto", 1, 0, 1, False, "trl KTOTrainer: a reference"),
    "ppo": Objective("ppo", 2, 1, 1, True, "trl PPOTrainer: reference, reward model, critic"),
    "grpo": Objective("grpo", 1, 0, 1, True,
                      "trl GRPOTrainer: a reference where beta is not 0, rewards outside"),
}  # fmt: skip
GENERATION_SHARE = 0.3


def with_companions(
    setup: Setup, devices: tuple[DevicePlan, ...]
) -> tuple[tuple[DevicePlan, ...], tuple[str, ...]]:
    """The devices with what the objective keeps beside the model, and what was assumed."""
    objective = OBJECTIVES[setup.training.objective]
    references = objective.references
    if setup.adapters is not None and references:
        references -= 1
    if not references and not objective.critics and not objective.generates:
        said = (f"{objective.rows} sequences per example count in --micro-batch",)
        return devices, said if objective.rows > 1 else ()
    notes: list[str] = []
    if setup.adapters is not None and objective.references:
        notes.append("the reference is the base with its adapters switched off")
    if objective.rows > 1:
        notes.append(f"{objective.rows} sequences per example count in --micro-batch")
    if objective.critics:
        notes.append("critic and reward model of the policy's size assumed")
    if objective.generates:
        notes.append(
            f"a generation engine that shares the device with {GENERATION_SHARE:.0%} of it assumed"
        )
    return tuple(_with(device, objective, references, setup) for device in devices), tuple(notes)


def _with(device: DevicePlan, objective: Objective, references: int, setup: Setup) -> DevicePlan:
    weights = sum(t.bytes for t in device.terms if t.name == "weights" and t.phase == "resident")
    states = sum(t.bytes for t in device.terms
                 if t.name in {"master_weights", "optimizer"})  # fmt: skip
    extra: list[Term] = []
    if references and weights:
        cut = "cut like the trained weights" if setup.sharding in CUT_WEIGHTS else "whole"
        extra.append(Term("weights", device.index, "resident", references * weights,
                          references * weights // 2, references * weights, "assumed",
                          f"{references} × frozen model of the same size, {cut}",
                          {"models": references}, objective.source))  # fmt: skip
    if objective.critics:
        gradients = max(
            (sum(t.bytes for t in terms if t.name == "gradients")
             for terms in device.phases.values()), default=0)  # fmt: skip
        size = objective.critics * (weights + states + gradients)
        extra.append(Term("optimizer", device.index, "resident", size, size // 4, size, "assumed",
                          "critic: weights, gradients and states of the policy's size",
                          {"models": objective.critics}, objective.source))  # fmt: skip
    if objective.generates:
        room = int(GENERATION_SHARE * device.usable) if device.usable is not None else weights
        extra.append(
            Term(
                "kv_cache",
                device.index,
                "resident",
                room,
                0,
                2 * room,
                "assumed",
                "share of the device for a generation engine, weights included",
                {"share": GENERATION_SHARE},
                "trl vllm_gpu_memory_utilization, 0.3",
            )
        )
    phases = {phase: (*extra, *terms) for phase, terms in device.phases.items()}
    return replace(device, phases=phases, terms=phases[device.phase])
