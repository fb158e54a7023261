"""Keys of a torchtune recipe (recipes/configs/llama3_1/8B_lora_single_device.yaml and siblings).

The model's, tokenizer's and checkpointer's components belong to each model: take them from its
recipe, and put these over it.
"""

from __future__ import annotations

from typing import Any

from weighbridge.training.emit.common import checkpoints
from weighbridge.training.emit.text import comment, yaml
from weighbridge.training.planner import TrainingPlan

OPTIMIZERS = {
    "adamw-8bit": {"_component_": "bitsandbytes.optim.AdamW8bit"},
    "paged-adamw-8bit": {"_component_": "bitsandbytes.optim.PagedAdamW8bit"},
    "adamw-foreach": {"_component_": "torch.optim.AdamW", "foreach": True},
    "sgd": {"_component_": "torch.optim.SGD"},
    "adafactor": {"_component_": "torch.optim.Adafactor"},
}
FUSED = {"_component_": "torch.optim.AdamW", "fused": True}
MODULES = {"o_proj": "output_proj"}
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")


def torchtune(plan: TrainingPlan) -> str:
    """YAML to put over a recipe's."""
    asked = plan.request.training
    name = plan.setup.optimizer.name
    in_backward = name.endswith("-in-backward")
    base = name.removesuffix("-in-backward")
    settings: dict[str, Any] = {
        "tokenizer": {"max_seq_len": plan.length},
        "dataset": {"packed": asked.batching == "packed"},
        "batch_size": asked.micro_batch,
        "gradient_accumulation_steps": asked.grad_accumulation,
        "optimizer": OPTIMIZERS.get(base, FUSED),
        "optimizer_in_bwd": in_backward,
        "loss": {"_component_": "torchtune.modules.loss.LinearCrossEntropyLoss"},
        "enable_activation_checkpointing": checkpoints(plan),
        "enable_activation_offloading": plan.settings["checkpointing"] == "offloaded",
        "compile": plan.settings["loss"] == "compiled",
        "dtype": "fp32" if plan.settings["precision"] == "fp32" else "bf16",
        "device": "cuda",
    }
    adapters = plan.setup.adapters
    if adapters is not None:
        names = {each.removesuffix(".weight").rsplit(".", 1)[-1] for each in adapters.names}
        settings["model"] = {
            "lora_attn_modules": [MODULES.get(each, each) for each in ATTENTION if each in names],
            "apply_lora_to_mlp": "up_proj" in names,
            "lora_rank": adapters.rank,
            "lora_alpha": 2 * adapters.rank,
            "lora_dropout": asked.lora_dropout,
            "use_dora": asked.dora,
        }
    recipe = "full" if adapters is None else "lora"
    where = "distributed" if plan.ranks.world > 1 else "single_device"
    run = f"tune run {recipe}_finetune_{where} --config RECIPE, with these keys over it"
    return comment(plan, run) + yaml(settings)
