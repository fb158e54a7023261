"""A DeepSpeed configuration (docs/_pages/config-json.md; DeepSpeed integration of Transformers).

JSON has no comments: the plan's numbers stand under a key that DeepSpeed does not read.
"""

from __future__ import annotations

import json
from typing import Any

from weighbridge.errors import RequestError
from weighbridge.training.emit.text import comment
from weighbridge.training.planner import TrainingPlan

STAGES = {"ddp": 0, "none": 0, "zero1": 1, "zero2": 2, "zero3": 3}


def deepspeed(plan: TrainingPlan) -> str:
    """JSON with the plan's batch sizes, stage, buckets and offload."""
    sharding, asked = plan.settings["sharding"], plan.request.training
    if sharding not in STAGES:
        raise RequestError(
            f"deepspeed cannot express --sharding {sharding}; use zero1, zero2, zero3"
        )
    stage: dict[str, Any] = {
        "stage": STAGES[sharding],
        "overlap_comm": True,
        "contiguous_gradients": True,
        "reduce_bucket_size": 500_000_000,
    }
    device = "nvme" if asked.offload == "nvme" else "cpu"
    if asked.offload != "none":
        stage["offload_optimizer"] = {"device": device, "pin_memory": True}
    if asked.offload in {"all", "nvme"} and sharding == "zero3":
        stage["offload_param"] = {"device": device, "pin_memory": True}
    if asked.offload == "nvme":
        for name in ("offload_optimizer", "offload_param"):
            if name in stage:
                stage[name]["nvme_path"] = "/local_nvme"
    if sharding == "zero3":
        stage |= {"stage3_max_live_parameters": 1_000_000_000,
                  "stage3_gather_16bit_weights_on_model_save": True}  # fmt: skip
    config = {
        "_weighbridge": comment(plan).replace("# ", "").splitlines(),
        "train_micro_batch_size_per_gpu": asked.micro_batch,
        "gradient_accumulation_steps": asked.grad_accumulation,
        "train_batch_size": asked.micro_batch * asked.grad_accumulation * plan.ranks.data,
        "bf16": {"enabled": plan.settings["precision"] not in {"fp32", "amp-fp16"}},
        "fp16": {"enabled": plan.settings["precision"] == "amp-fp16"},
        "gradient_clipping": 1.0,
        "zero_optimization": stage,
    }
    return json.dumps(config, indent=2, ensure_ascii=False) + "\n"
