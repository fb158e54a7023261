"""A LLaMA-Factory configuration (src/llamafactory/hparams: model_args.py, finetuning_args.py)."""

from __future__ import annotations

from typing import Any

from weighbridge.training.emit.common import (
    all_linear,
    checkpoints,
    double_quantized,
    four_bit,
    sharded,
    targets,
    unsaid,
)
from weighbridge.training.emit.text import comment, yaml
from weighbridge.training.planner import TrainingPlan

STAGES = {"reward": "rm", "orpo": "dpo", "grpo": "sft"}
ATTENTION = {"eager": "disabled", "sdpa": "sdpa", "flash_attention_2": "fa2"}


def llama_factory(plan: TrainingPlan) -> str:
    """YAML; data set and template are yours to name."""
    asked, adapters, precision = (
        plan.request.training,
        plan.setup.adapters,
        plan.settings["precision"],
    )
    settings: dict[str, Any] = {
        "model_name_or_path": plan.model.id,
        "stage": STAGES.get(asked.objective, asked.objective),
        "do_train": True,
        "finetuning_type": "full" if adapters is None else "lora",
        "cutoff_len": plan.length,
        "packing": asked.batching == "packed",
        "output_dir": "out",
        "per_device_train_batch_size": asked.micro_batch,
        "gradient_accumulation_steps": asked.grad_accumulation,
        "optim": plan.setup.optimizer.trainer or "adamw_torch_fused",
        "bf16": precision not in {"fp32", "amp-fp16"},
        "fp16": precision == "amp-fp16",
        "pure_bf16": precision == "bf16" and adapters is None,
        "flash_attn": ATTENTION[asked.attn_implementation],
        "enable_liger_kernel": asked.kernels == "liger",
        "disable_gradient_checkpointing": not checkpoints(plan),
        "use_unsloth_gc": plan.settings["checkpointing"] == "offloaded",
    }
    if adapters is not None:
        settings |= {
            "lora_rank": adapters.rank,
            "lora_alpha": 2 * adapters.rank,
            "lora_dropout": asked.lora_dropout,
            "lora_target": "all" if all_linear(plan) else ",".join(targets(plan)),
            "use_dora": asked.dora,
        }
    if plan.setup.storage is not None:
        settings |= {
            "quantization_method": "bnb",
            "quantization_bit": 4 if four_bit(plan) else 8,
            "double_quantization": double_quantized(plan),
        }
    if sharded(plan, "zero1", "zero2", "zero3"):
        settings["deepspeed"] = "deepspeed.json"
    more = unsaid(plan)
    if asked.objective == "grpo":
        more.append("LLaMA-Factory has no grpo stage: sft is written instead")
    return comment(plan, *more) + yaml(settings)
