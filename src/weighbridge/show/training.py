"""TrainingPlan → terminal, Markdown and JSON, in the shapes of a plan."""

from __future__ import annotations

from typing import Any

from weighbridge.planner import SCHEMA
from weighbridge.show.json import device_to_dict, model_to_dict, verdict_to_dict
from weighbridge.show.markdown import answer_to_markdown
from weighbridge.show.page import Page, page_width
from weighbridge.show.style import painter
from weighbridge.show.summary import layers_line, model_line
from weighbridge.show.text import answer_to_text
from weighbridge.show.width import clean
from weighbridge.training.planner import TrainingPlan
from weighbridge.units import format_parameters


def training_to_text(
    plan: TrainingPlan, *, why: bool = False, colour: bool = False, width: int | None = None
) -> str:
    """The plan as a person reads it."""
    return answer_to_text(plan, facts(plan), Page(page_width(width), painter(colour)), why=why)


def training_to_markdown(plan: TrainingPlan) -> str:
    """The plan as Markdown."""
    return answer_to_markdown(plan, facts(plan))


def facts(plan: TrainingPlan) -> list[tuple[str, str]]:
    """What was weighed, as (name, sentence)."""
    every = [
        ("model", model_line(plan)),
        ("layers", layers_line(plan)),
        ("method", _method(plan)),
        ("memory", _memory(plan)),
        ("work", _work(plan)),
        ("ranks", _ranks(plan)),
        *(plan.speed.facts() if plan.speed is not None else ()),
    ]
    return [(name, clean(sentence)) for name, sentence in every if sentence]


def _method(plan: TrainingPlan) -> str:
    asked, settings = plan.request.training, plan.settings
    parts = [asked.method]
    if asked.objective != "sft":
        parts[0] += f" ({asked.objective})"
    if plan.setup.adapters is not None:
        parts.append(
            f"rank {asked.lora_rank} on {asked.lora_targets} in {settings['adapter_dtype']}"
        )
    parts.append(f"{format_parameters(plan.trained)} trained of "
                 f"{format_parameters(plan.model.parameters)}")  # fmt: skip
    parts.append(f"{plan.setup.optimizer.title} on {settings['precision']}")
    return " · ".join(parts)


def _memory(plan: TrainingPlan) -> str:
    settings = plan.settings
    parts = [f"{settings['attn_implementation']} attention",
             f"checkpointing {settings['checkpointing']}",
             f"{plan.request.training.kernels} kernels", f"loss {settings['loss']}"]  # fmt: skip
    return " · ".join(parts)


def _work(plan: TrainingPlan) -> str:
    asked = plan.request.training
    sequences = f"{asked.micro_batch:,} × {plan.length:,} tokens a micro-batch"
    if asked.grad_accumulation > 1:
        sequences += f" · {asked.grad_accumulation:,} of them a step"
    return f"{sequences} · {plan.tokens_per_step:,} tokens a step · {asked.batching}"


def _ranks(plan: TrainingPlan) -> str:
    ranks = plan.ranks
    if ranks.world == 1 and plan.settings["sharding"] == "none":
        return ""
    named = (("data", ranks.data), ("tensor", ranks.tensor), ("pipeline", ranks.pipeline),
             ("context", ranks.context), ("expert", ranks.expert))  # fmt: skip
    shape = " × ".join(f"{name} {count}" for name, count in named if count > 1) or "1 rank"
    offload = plan.request.training.offload
    away = f" · offload {offload}" if offload != "none" else ""
    return f"{shape} · {plan.settings['sharding']}{away}"


def training_to_dict(plan: TrainingPlan) -> dict[str, Any]:
    """Every number, in the shape that other programs rely on (schema 1)."""
    asked = plan.request.to_dict()
    return {
        "schema": SCHEMA,
        "version": plan.version,
        "model": model_to_dict(plan.model),
        "request": {
            **asked,
            **plan.settings,
            "seq_len": plan.length,
            "data_parallel_size": plan.ranks.data,
            "assumptions": list(plan.assumptions),
        },
        "trained_parameters": plan.trained,
        "tokens_per_step": plan.tokens_per_step,
        "devices": [device_to_dict(device) for device in plan.devices],
        "total_bytes": plan.total,
        "low": plan.low,
        "high": plan.high,
        "host": None if plan.host is None else device_to_dict(plan.host),
        "verdict": verdict_to_dict(plan.verdict),
        "speed": None if plan.speed is None else plan.speed.to_dict(),
    }
