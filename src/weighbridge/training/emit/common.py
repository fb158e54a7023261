"""What several tools ask in the same words."""

from __future__ import annotations

from typing import Any

from weighbridge.training.adapters import module_names
from weighbridge.training.planner import TrainingPlan


def checkpoints(plan: TrainingPlan) -> bool:
    """Whether layers are computed again."""
    return plan.settings["checkpointing"] != "none"


def targets(plan: TrainingPlan) -> list[str]:
    """The adapted modules by the last part of their names."""
    adapters = plan.setup.adapters
    return module_names(plan.model, adapters) if adapters is not None else []


def all_linear(plan: TrainingPlan) -> bool:
    """Whether every linear layer is adapted."""
    return plan.request.training.lora_targets == "all-linear"


def sharded(plan: TrainingPlan, *kinds: str) -> bool:
    """Whether states are cut in one of these ways."""
    return plan.settings["sharding"] in kinds


def four_bit(plan: TrainingPlan) -> bool:
    """Whether the base is in a 4-bit format of bitsandbytes."""
    storage = plan.setup.storage
    return storage is not None and storage.name.startswith(("nf4", "fp4"))


def double_quantized(plan: TrainingPlan) -> bool:
    """Whether its scales are quantized too."""
    storage = plan.setup.storage
    return storage is not None and storage.name.endswith("-dq")


def unsaid(plan: TrainingPlan) -> list[str]:
    """Choices of the plan that no key of the Trainer's family of tools stands for."""
    said: list[str] = []
    if plan.setup.optimizer.trainer is None:
        said.append(f"optimizer {plan.setup.optimizer.name} has no name in Transformers: "
                    "pass it to the Trainer yourself")  # fmt: skip
    if plan.settings["checkpointing"].startswith("every-"):
        said.append("checkpointing every N layers has no key: every layer is recomputed instead")
    ranks = plan.ranks
    if ranks.tensor * ranks.pipeline * ranks.expert > 1:
        said.append("tensor, pipeline and expert parallelism are set elsewhere")
    return said


def trainer_settings(plan: TrainingPlan) -> dict[str, Any]:
    """Keys of transformers.TrainingArguments 5.23 (training_args.py)."""
    asked, precision = plan.request.training, plan.settings["precision"]
    settings: dict[str, Any] = {
        "output_dir": "out",
        "per_device_train_batch_size": asked.micro_batch,
        "gradient_accumulation_steps": asked.grad_accumulation,
        "gradient_checkpointing": checkpoints(plan),
        "optim": plan.setup.optimizer.trainer or "adamw_torch_fused",
        "bf16": precision in {"amp-bf16", "fsdp-mixed", "deepspeed-bf16"},
        "fp16": precision == "amp-fp16",
        "use_liger_kernel": asked.kernels == "liger",
    }
    if plan.setup.optimizer.name in {"galore", "apollo"}:
        settings["optim_args"] = f"rank={asked.optimizer_rank}"
        settings["optim_target_modules"] = "all-linear"
    return settings
