"""Rules for everything an inference takes, one row each."""

from __future__ import annotations

from collections.abc import Callable

from weighbridge.rules import formulas
from weighbridge.rules import other_remarks as remarks
from weighbridge.rules.rule import Figure, Rule, between, one, our_total
from weighbridge.rules.subject import Subject
from weighbridge.rules.weights_rules import GB_FOR_GIB
from weighbridge.units import GB

SUBSTRATUS = (
    "Sam Stoelinga, Calculating GPU memory for serving LLMs, Substratus "
    "(https://www.substratus.ai/blog/calculating-gpu-memory-for-llm)"
)
MISPRINT = (
    "circulates in copies of the Substratus formula, in READMEs and reports that print "
    "M = ((P × 4B) × (32/Q)) × 1.2 and M = (32/Q)(P * 4B) * 1.2; no single origin found"
)


def _model(subject: Subject) -> Figure:
    size = formulas.weights(subject.parameters, subject.bits)
    return one(
        formulas.scaled(size, 12), parameters=subject.parameters, bits=subject.bits, factor=1.2
    )


def _sum(subject: Subject) -> Figure:
    size = subject.weights + subject.remembered
    return one(
        formulas.scaled(size, 12),
        our_weights=subject.weights,
        our_cache=subject.remembered,
        factor=1.2,
    )


def _sum_of_scaled(subject: Subject) -> Figure:
    return between(
        formulas.scaled(subject.weights, 12) + subject.remembered,
        formulas.scaled(subject.weights, 15) + subject.remembered,
        our_weights=subject.weights,
        our_cache=subject.remembered,
        factors="1.2 to 1.5",
    )


def _twice(subject: Subject) -> Figure:
    size = formulas.weights(subject.parameters, subject.bits)
    return one(2 * size, parameters=subject.parameters, bits=subject.bits, factor=2)


def _served(formula: Callable[[int, int], int]) -> Callable[[Subject], Figure]:
    def figure(subject: Subject) -> Figure:
        size = subject.named.parameters
        return one(formula(size, subject.bits), P=size / GB, Q=subject.bits)

    return figure


RULES = (
    Rule(
        id="model-x1.2",
        title="The model and 20 %",
        formula="parameters × bits / 8 × 1.2",
        unit="GB",
        compute=_model,
        against=our_total,
        remarks=remarks.of_twenty_percent,
        source="EleutherAI, Transformer Math 101 (https://blog.eleuther.ai/transformer-math), "
        "repeated by Hugging Face Accelerate: up to an additional 20 % "
        "(https://huggingface.co/docs/accelerate/usage_guides/model_size_estimator)",
        near="when one sequence of some thousand tokens runs through a 7B to 13B model",
        fails="when the cache grows with tokens × sequences, which 20 % of the weights do not; "
        "small models need far more than 20 %, very large ones less",
        unit_note=GB_FOR_GIB,
    ),
    Rule(
        id="weights-cache-x1.2",
        title="Weights and cache, and 20 % on both",
        formula="(weights + KV cache) × 1.2",
        unit="GB",
        compute=_sum,
        against=our_total,
        remarks=remarks.of_factor,
        source="llm-vram-estimator: (Weights + Activations + KV Cache) × 1.20 "
        "(https://dwojcik92.github.io/llm-vram-estimator)",
        near="when what is needed beside weights and cache happens to be a fifth of them",
        fails="because that rest follows the tokens of one pass, the vocabulary and the engine, "
        "not the weights: 20 % are too much for large models and too little for small ones",
        unit_note="that estimator divides by 1024³ and prints GB: 7.4 % between the two readings",
    ),
    Rule(
        id="serving",
        title="M = P·4·(Q/32)·1.2",
        formula="(P × 4 bytes) / (32 / Q) × 1.2, P in billions, M in GB",
        unit="GB",
        compute=_served(formulas.serving),
        against=our_total,
        remarks=remarks.of_served,
        source=SUBSTRATUS,
        near="when the context is short: 16.8 GB for a 7B model in 16 bit",
        fails="when contexts and batches are long (no cache in it), or 4-bit formats carry scales "
        "and 16-bit embeddings",
        unit_note=GB_FOR_GIB,
    ),
    Rule(
        id="serving-multiplied",
        title="The misprint M = P·4·(32/Q)·1.2, the 4 read as bytes at the precision",
        formula="P × (Q / 8 bytes) × (32 / Q) × 1.2, P in billions, M in GB",
        unit="GB",
        compute=_served(formulas.serving_multiplied),
        against=our_total,
        remarks=remarks.of_multiplied,
        source=MISPRINT,
        near="never in 16, 8 or 4 bit: Q cancels out, and what is left is the formula for fp32",
        fails="always, by 32 / Q: 33.6 GB instead of 16.8 GB for a 7B model in 16 bit",
        unit_note=GB_FOR_GIB,
    ),
    Rule(
        id="serving-multiplied-literally",
        title="The misprint M = P·4·(32/Q)·1.2, taken literally",
        formula="P × 4 bytes × (32 / Q) × 1.2, P in billions, M in GB",
        unit="GB",
        compute=_served(formulas.serving_multiplied_literally),
        against=our_total,
        remarks=remarks.of_multiplied_literally,
        source=MISPRINT,
        near="never below 32 bit",
        fails="always, by (32 / Q)²: 67.2 GB instead of 16.8 GB for a 7B model in 16 bit, and more "
        "the fewer bits there are",
        unit_note=GB_FOR_GIB,
    ),
    Rule(
        id="twice-the-weights",
        title="Twice the weights",
        formula="parameters × bits / 8 × 2",
        unit="GB",
        compute=_twice,
        against=our_total,
        remarks=remarks.of_twice,
        source="circulates in guides; no single origin found (2 GB per billion parameters is often "
        "what is meant, and that is the weights in 16 bit once)",
        near="when cache and activations happen to be as large as the weights",
        fails="when one or a few short sequences run (too much), or many long ones (too little)",
        unit_note=GB_FOR_GIB,
    ),
    Rule(
        id="weights-x1.2-1.5-cache",
        title="Weights × 1.2 to 1.5, and the cache",
        formula="weights × (1.2 to 1.5) + KV cache",
        unit="GB",
        compute=_sum_of_scaled,
        against=our_total,
        remarks=remarks.of_factor,
        source="OPSWAT, Sizing the LLM inference server: about 1.2 to 1.5 times the weight size "
        "(https://www.opswat.com/docs/filescan/configuration/sizing-the-llm-harness-server)",
        near="for small and middle-sized models at prompts of some thousand tokens",
        fails="for large models (20 % of the weights is then far more than any activation), small "
        "ones (a context of several hundred MB is more than half of them), and very long prompts",
        unit_note=GB_FOR_GIB,
    ),
)
