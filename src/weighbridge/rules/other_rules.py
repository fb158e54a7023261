"""Rules for overhead and for training, one row each."""

from __future__ import annotations

from weighbridge.rules import formulas
from weighbridge.rules import other_remarks as remarks
from weighbridge.rules.rule import (
    Figure,
    Rule,
    Silent,
    between,
    by_definition,
    one,
    our_context,
    our_rest,
)
from weighbridge.rules.subject import Subject
from weighbridge.rules.weights_rules import GB_FOR_GIB

NOT_PLANNED = (
    "ours is the sum that AdamW needs by definition, 2 + 2 + 4 "
    "+ 4 + 4 = 16 bytes per parameter in mixed precision, 4 + 4 + 4 + 4 in fp32, activations apart "
    "(ZeRO, arXiv:1910.02054, section 3.1)"
)


def _training(subject: Subject) -> Figure:
    count = subject.parameters
    low, high = formulas.training(count, 3), formulas.training(count, 4)
    return between(low, high, parameters=count, bytes=4, factors="3 to 4")


def _training_eightfold(subject: Subject) -> Figure:
    count = subject.parameters
    return one(formulas.training(count, 8), parameters=count, bytes=4, factor=8)


def _flat(subject: Subject) -> Figure:
    return one(formulas.FLAT_OVERHEAD * subject.devices, devices=subject.devices)


def _context(subject: Subject) -> Figure | Silent:
    cards = [device.card for device in subject.plan.devices if device.card is not None]
    if any(card.vendor not in {"NVIDIA", "AMD"} for card in cards):
        names = ", ".join(dict.fromkeys(card.name for card in cards))
        return Silent(f"there is no CUDA context on {names}")
    return between(
        formulas.CONTEXT_LOW * subject.devices,
        formulas.CONTEXT_HIGH * subject.devices,
        devices=subject.devices,
    )


RULES = (
    Rule(
        id="flat-1gb",
        title="A flat gigabyte of overhead",
        formula="1 GB per device",
        unit="GB",
        compute=_flat,
        against=our_rest,
        remarks=remarks.of_flat,
        source="circulates in guides; no single origin found (one puts framework overhead at 0.5 "
        "to 1 GB: https://morgannriu.fr/en/blog/vram-ram-faire-tourner-llm-local-calcul; the "
        "calculator https://vram.asmirnov.xyz charges a flat 1000 MiB)",
        near="when one short sequence runs through a model of a few billion parameters",
        fails="when prompts or batches are long, or logits of the whole prompt are kept: "
        "activations grow with tokens × sequences",
        unit_note=GB_FOR_GIB,
    ),
    Rule(
        id="cuda-context",
        title="300 MB to 2 GB of CUDA context",
        formula="300 MB to 2 GB per device",
        unit="MB, GB",
        compute=_context,
        against=our_context,
        remarks=remarks.of_context,
        source="https://vram.asmirnov.xyz: when PyTorch uses CUDA for the first time, it allocates "
        "between 300 MiB and 2 GiB",
        near="at its lower end, since PyTorch 1.13 loads kernels when they are first called "
        "(pytorch/pytorch#86509: 287 MB lazily, 667 MB eagerly)",
        fails="when the upper end is budgeted on a current card, or the range is taken to cover "
        "activations",
        unit_note="its source writes MiB and GiB, articles MB and GB: 4.9 % and 7.4 % apart",
    ),
    Rule(
        id="training-x3-4",
        title="Training takes 3 to 4 times the model in fp32",
        formula="parameters × 4 bytes × (3 to 4)",
        unit="GB",
        compute=_training,
        against=by_definition,
        remarks=remarks.of_training,
        source="Continuum Labs, Model requirements: 3 to 4 times the memory of inference "
        "(https://training.continuumlabs.ai/infrastructure/data-and-memory/model-requirements); "
        "Hugging Face model-memory-usage: 1 × model, 1 × gradients, 2 × optimizer "
        "(https://huggingface.co/spaces/hf-accelerate/model-memory-usage); " + NOT_PLANNED,
        near="at 4 times, with AdamW: exactly the 16 bytes per parameter, activations apart",
        fails="at 3 times, which is SGD with momentum; activations of long sequences can exceed "
        "all of it; LoRA, 8-bit optimizers and sharding need far less",
        unit_note=GB_FOR_GIB,
    ),
    Rule(
        id="training-x8",
        title="Training takes up to 8 times the model in fp32",
        formula="parameters × 4 bytes × 8",
        unit="GB",
        compute=_training_eightfold,
        against=by_definition,
        remarks=remarks.of_training,
        source="circulates in guides; no single origin found (8 times the model in 16 bit is "
        "exactly ZeRO's 16 bytes per parameter); " + NOT_PLANNED,
        near="when activations are as large as weights, gradients and optimizer together",
        fails="because 8 times is true of the 16-bit model: of the fp32 model it is twice as much",
        unit_note=GB_FOR_GIB,
    ),
)
