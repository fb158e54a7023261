"""An axolotl configuration (docs.axolotl.ai config reference; examples of the repository)."""

from __future__ import annotations

from typing import Any

from weighbridge.training.emit.common import (
    all_linear,
    checkpoints,
    four_bit,
    sharded,
    targets,
    unsaid,
)
from weighbridge.training.emit.text import comment, yaml
from weighbridge.training.planner import TrainingPlan

CUT = "axolotl.integrations.cut_cross_entropy.CutCrossEntropyPlugin"
LIGER = "axolotl.integrations.liger.LigerPlugin"


def axolotl(plan: TrainingPlan) -> str:
    """YAML; the data sets are yours to name."""
    asked, adapters = plan.request.training, plan.setup.adapters
    settings: dict[str, Any] = {
        "base_model": plan.model.id,
        "sequence_len": plan.length,
        "sample_packing": asked.batching == "packed",
        "micro_batch_size": asked.micro_batch,
        "gradient_accumulation_steps": asked.grad_accumulation,
        "optimizer": plan.setup.optimizer.trainer or "adamw_torch_fused",
        "bf16": plan.settings["precision"] != "fp32",
        "gradient_checkpointing": checkpoints(plan),
        "activation_offloading": plan.settings["checkpointing"] == "offloaded",
        "flash_attention": asked.attn_implementation == "flash_attention_2",
        "sdp_attention": asked.attn_implementation == "sdpa",
    }
    if adapters is not None:
        settings |= {
            "adapter": asked.method,
            "load_in_4bit": four_bit(plan),
            "load_in_8bit": plan.setup.storage is not None and not four_bit(plan),
            "lora_r": adapters.rank,
            "lora_alpha": 2 * adapters.rank,
            "lora_dropout": asked.lora_dropout,
            "peft_use_dora": asked.dora,
        }
        if asked.quantize_experts:
            settings["quantize_moe_experts"] = True
        if all_linear(plan):
            settings["lora_target_linear"] = True
        else:
            settings["lora_target_modules"] = targets(plan)
    if plan.settings["loss"] == "cut":
        settings["plugins"] = [CUT]
    elif asked.kernels == "liger":
        settings |= {"plugins": [LIGER], "liger_rms_norm": True, "liger_glu_activation": True,
                     "liger_fused_linear_cross_entropy": True}  # fmt: skip
    if sharded(plan, "zero1", "zero2", "zero3"):
        settings["deepspeed"] = "deepspeed.json"
    if sharded(plan, "fsdp", "fsdp2"):
        settings |= {
            "fsdp_version": 2 if sharded(plan, "fsdp2") else 1,
            "fsdp_config": {
                "offload_params": asked.offload in {"all", "nvme"},
                "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
                "reshard_after_forward": True,
                "state_dict_type": "FULL_STATE_DICT",
            },
        }
    if plan.ranks.context > 1:
        settings["context_parallel_size"] = plan.ranks.context
    return comment(plan, *unsaid(plan)) + yaml(settings)
