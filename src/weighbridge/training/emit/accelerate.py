"""A configuration of ``accelerate launch`` (accelerate 1.15, commands/config/cluster.py)."""

from __future__ import annotations

from typing import Any

from weighbridge.training.emit.common import checkpoints, sharded, unsaid
from weighbridge.training.emit.text import comment, yaml
from weighbridge.training.planner import TrainingPlan

PRECISION = {"amp-bf16": "bf16", "fsdp-mixed": "bf16", "deepspeed-bf16": "bf16",
             "amp-fp16": "fp16"}  # fmt: skip


def accelerate(plan: TrainingPlan) -> str:
    """YAML: FSDP, DeepSpeed, several GPUs or one."""
    world = plan.ranks.world
    settings: dict[str, Any] = {
        "compute_environment": "LOCAL_MACHINE",
        "distributed_type": _kind(plan),
        "mixed_precision": PRECISION.get(plan.settings["precision"], "no"),
        "num_machines": 1,
        "num_processes": world,
        "machine_rank": 0,
        "main_training_function": "main",
        "use_cpu": False,
    }
    offload = plan.request.training.offload
    if sharded(plan, "fsdp", "fsdp2"):
        settings["fsdp_config"] = {
            "fsdp_version": 2 if sharded(plan, "fsdp2") else 1,
            "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
            "fsdp_reshard_after_forward": True if sharded(plan, "fsdp2") else "FULL_SHARD",
            "fsdp_offload_params": offload in {"all", "nvme"},
            "fsdp_activation_checkpointing": checkpoints(plan),
            "fsdp_state_dict_type": "SHARDED_STATE_DICT",
            "fsdp_cpu_ram_efficient_loading": True,
        }
    elif sharded(plan, "zero1", "zero2", "zero3"):
        settings["deepspeed_config"] = {"deepspeed_config_file": "deepspeed.json"}
    return comment(plan, *unsaid(plan)) + yaml(settings)


def _kind(plan: TrainingPlan) -> str:
    if sharded(plan, "fsdp", "fsdp2"):
        return "FSDP"
    if sharded(plan, "zero1", "zero2", "zero3"):
        return "DEEPSPEED"
    return "MULTI_GPU" if plan.ranks.world > 1 else "NO"
