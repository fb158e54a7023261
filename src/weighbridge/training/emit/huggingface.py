"""``TrainingArguments`` of Transformers 5.23 and ``SFTConfig``/``DPOConfig`` of TRL as Python.

Keys: transformers/training_args.py; trl/trainer/sft_config.py (max_length, packing,
activation_offloading); peft LoraConfig; transformers BitsAndBytesConfig.
"""

from __future__ import annotations

from typing import Any

from weighbridge.training.emit.common import (
    all_linear,
    double_quantized,
    four_bit,
    sharded,
    targets,
    trainer_settings,
    unsaid,
)
from weighbridge.training.emit.text import comment, given, python_call
from weighbridge.training.planner import TrainingPlan

CONFIGS = {"sft": "SFTConfig", "dpo": "DPOConfig", "orpo": "ORPOConfig", "kto": "KTOConfig",
           "reward": "RewardConfig", "ppo": "PPOConfig", "grpo": "GRPOConfig"}  # fmt: skip


def training_arguments(plan: TrainingPlan) -> str:
    """A TrainingArguments, with what loads the model beside it."""
    settings = {**trainer_settings(plan), **_sharding(plan)}
    head = comment(plan, *unsaid(plan))
    return (
        f"{head}from transformers import TrainingArguments\n\n"
        f"args = {python_call('TrainingArguments', settings)}{_model(plan)}{_adapters(plan)}"
    )


def trl(plan: TrainingPlan) -> str:
    """A TRL config of the objective."""
    asked = plan.request.training
    name = CONFIGS[asked.objective]
    settings = {**trainer_settings(plan), **_sharding(plan)}
    if asked.objective == "grpo":
        settings |= {"max_completion_length": plan.length, "use_vllm": True,
                     "vllm_mode": "colocate", "vllm_gpu_memory_utilization": 0.3}  # fmt: skip
    elif asked.objective != "ppo":
        settings["max_length"] = plan.length
    if asked.objective == "sft":
        settings["packing"] = asked.batching == "packed"
        if plan.settings["loss"] == "chunked":
            settings["loss_type"] = "chunked_nll"
    if plan.settings["checkpointing"] == "offloaded":
        settings["activation_offloading"] = True
    head = comment(plan, *unsaid(plan))
    return (
        f"{head}from trl import {name}\n\nargs = {python_call(name, settings)}"
        f"{_model(plan)}{_adapters(plan)}"
    )


def _sharding(plan: TrainingPlan) -> dict[str, Any]:
    offload = plan.request.training.offload
    if sharded(plan, "fsdp", "fsdp2"):
        config = given({
            "version": 2 if sharded(plan, "fsdp2") else 1,
            "reshard_after_forward": True if sharded(plan, "fsdp2") else None,
            "cpu_offload": offload in {"all", "nvme"},
            "activation_checkpointing": plan.settings["checkpointing"] != "none",
        })  # fmt: skip
        return {"fsdp": True, "fsdp_config": config, "gradient_checkpointing": False}
    if sharded(plan, "zero1", "zero2", "zero3"):
        return {"deepspeed": "deepspeed.json"}
    return {}


def _model(plan: TrainingPlan) -> str:
    """Keyword arguments of from_pretrained."""
    dtype = "float32" if plan.setup.weight_element == 4 else "bfloat16"
    lines = {"attn_implementation": plan.settings["attn_implementation"], "dtype": dtype}
    text = f"\nmodel_kwargs = {lines!r}\n"
    if four_bit(plan):
        quantized = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4",
                     "bnb_4bit_use_double_quant": double_quantized(plan),
                     "bnb_4bit_compute_dtype": "bfloat16"}  # fmt: skip
        text += ("\nfrom transformers import BitsAndBytesConfig\n\n"
                 "model_kwargs[\"quantization_config\"] = "
                 + python_call("BitsAndBytesConfig", quantized))  # fmt: skip
    return text


def _adapters(plan: TrainingPlan) -> str:
    if plan.setup.adapters is None:
        return ""
    asked = plan.request.training
    settings = {
        "r": asked.lora_rank,
        "lora_alpha": 2 * asked.lora_rank,
        "lora_dropout": asked.lora_dropout,
        "use_dora": asked.dora,
        "target_modules": "all-linear" if all_linear(plan) else targets(plan),
        "task_type": "CAUSAL_LM",
    }
    peft = python_call("LoraConfig", settings)
    return f"\nfrom peft import LoraConfig\n\npeft_config = {peft}"
