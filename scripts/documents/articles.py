"""What the articles got right and wrong: every figure is asked of the program for this page.

A row names a claim or a rule of ``weighbridge.rules`` and the plan that it is held against; the
words of the truth, of when it is near, and of the source are theirs. To add a claim, add it there
and name it here.
"""

from __future__ import annotations

import shlex
from functools import cache
from typing import NamedTuple

import weighbridge as wb
from scripts.documents.text import page
from weighbridge.cli import Parser
from weighbridge.commands.rules import build
from weighbridge.commands.shared import request_options
from weighbridge.planner import Plan
from weighbridge.rules import RuleResult, rules_for
from weighbridge.rules.claim import Claim
from weighbridge.rules.claims import claims_for
from weighbridge.rules.words import both
from weighbridge.show.rules import error, says
from weighbridge.training.planner import TrainingPlan
from weighbridge.units import format_bytes, format_bytes_decimal

LLAMA_2 = "llama-2-7b --context 2048"
LLAMA_3 = "llama-3.1-8b --context 8192"
ON_H100 = "llama-3.1-8b --context 8192 --on h100-sxm"
SEVENTY = "llama-3.1-70b --context 8192"
SERVED = "llama-3.1-8b --context 8192 --on h100-sxm --engine vllm"


class Told(NamedTuple):
    """A claim as circulated, the rows of ``weigh rules`` that answer, and what they are asked."""

    says: str
    ids: tuple[str, ...]
    asked: tuple[str, ...]


WEIGHTS = (
    Told("A parameter takes 4, 2, 1 and 0.5 bytes, by precision", ("bytes-per-precision",),
         (LLAMA_2, LLAMA_3)),
    Told("A 7B model takes 14, 7 and 3.5 GB", ("marketing-size",),
         (LLAMA_2, f"{LLAMA_2} --weights int8", f"{LLAMA_2} --weights nf4")),
    Told("A 70B model takes 280, 140, 70 and 35 GB", ("bytes-per-precision",), (SEVENTY,)),
    Told("INT8 is four times smaller than FP16", ("int8-quarter",), (LLAMA_2,)),
)  # fmt: skip
CACHE = (
    Told("0.5 MB of KV cache per token for a 7B model", ("cache-half-mb",), (LLAMA_2,)),
    Told("28,000 tokens fill 14 GB", ("tokens-28k",), (LLAMA_2, LLAMA_3)),
    Told("The cache of a 70B model takes 40 GB at 128k", ("cache-40gb",),
         (SEVENTY, "llama-2-70b --context 2048")),
    Told("KV cache = 2 × tokens × hidden × bytes (a formula without layers)",
         ("cache-without-layers",), (LLAMA_2,)),
    Told("KV cache = 2 × layers × heads × head dim × tokens × bytes", ("cache-all-heads",),
         (LLAMA_2, LLAMA_3)),
)  # fmt: skip
TOTALS = (
    Told("M = P · 4 · (Q / 32) · 1.2", ("serving",),
         (LLAMA_2, "llama-2-7b --context 2048 --concurrency 32")),
    Told("M = P · 4 · (32 / Q) · 1.2 (the misprint)",
         ("serving-multiplied", "serving-multiplied-literally"), (LLAMA_2,)),
    Told("× 1.2: the model and 20 %", ("model-x1.2",), (LLAMA_2, SEVENTY)),
    Told("× 1.2 to 1.5 and the cache", ("weights-x1.2-1.5-cache",), (LLAMA_2, SEVENTY)),
    Told("× 2: twice the weights", ("twice-the-weights",), (LLAMA_2,)),
    Told("1 GB of overhead", ("flat-1gb",), (LLAMA_2, LLAMA_3)),
    Told("300 MB to 2 GB of overhead", ("cuda-context",),
         ("llama-2-7b --context 2048 --on rtx-4090",)),
)  # fmt: skip
TRAINING = (
    Told("Training takes 3 to 4 times the model", ("training-x3-4",), (LLAMA_2,)),
    Told("Training takes 8 times the model", ("training-x8",), (LLAMA_2,)),
)
SPEED = (
    Told("Attention's memory is quadratic", ("squared-memory",),
         (LLAMA_2, "llama-3.1-8b --context 131072")),
    Told("Attention's time is quadratic", ("squared",), (LLAMA_2, "llama-3.1-8b --context 131072")),
    Told("HBM moves 80 to 100 GB/s", ("hbm-100",), (ON_H100,)),
    Told("A 70B model reads 15 GB for 1,000 words", ("reads-15gb",), (SEVENTY,)),
    Told("90 % of the time is waiting", ("waits-90",),
         (ON_H100, "llama-3.1-8b --context 256 --on h100-sxm --concurrency 30")),
    Told("1,000 users need 50 GPUs", ("users-50",),
         (SERVED, "llama-3.1-70b --context 8192 --on 4xh100-sxm --engine vllm --tp 4")),
    Told("FlashAttention-3 is by Google", ("flash-google",), (ON_H100,)),
)  # fmt: skip
REMEDIES = (
    Told("Sparsity halves memory and doubles speed", ("sparsity",), (ON_H100,)),
    Told("Stacked memory removes the memory wall", ("stacked",), (ON_H100,)),
    Told("CXL gives a card any amount of memory", ("cxl",), (ON_H100,)),
    Told("Prefetching hides the memory wall", ("prefetching",),
         (ON_H100, "llama-3.1-8b --context 1024 --on h100-sxm --concurrency 256")),
)  # fmt: skip
SECTIONS = (
    ("Weights", WEIGHTS),
    ("The KV cache", CACHE),
    ("Shortcuts for the whole", TOTALS),
    ("Training", TRAINING),
    ("Speed and users", SPEED),
    ("What hardware and tricks will do", REMEDIES),
)


def page_rows() -> tuple[Told, ...]:
    """Every row of the page."""
    return tuple(row for _, rows in SECTIONS for row in rows)


@cache
def plan_of(asked: str) -> Plan:
    """The plan that ``weigh rules`` makes of these words."""
    arguments = shlex.split(asked)
    parser = Parser(prog="weigh rules", add_help=False, allow_abbrev=False)
    build(parser, arguments)
    options = parser.parse_args(arguments)
    return wb.plan(options.model, **request_options(options, arguments))


@cache
def answers(asked: str) -> dict[str, Claim | RuleResult]:
    """Every rule and claim beside a plan, by id."""
    plan = plan_of(asked)
    found: dict[str, Claim | RuleResult] = {each.id: each for each in rules_for(plan)}
    found.update((each.id, each) for each in claims_for(plan))
    return found


def page_of(row: Told) -> str:
    """One claim."""
    lines = [f"### {row.says}"]
    near: list[str] = []
    sources: list[str] = []
    for asked in row.asked:
        for wanted in row.ids:
            found = answers(asked)[wanted]
            lines.append(f"**{plan_of(asked).model.id}** (`{asked}`): {_truth(found)}")
            near.append(found.near)
            sources.append(found.source)
    lines.append("*Near* " + "; ".join(dict.fromkeys(near)) + ".")
    lines.append("*Source* " + "; ".join(dict.fromkeys(sources)) + ".")
    lines.append(f"```console\n$ weigh rules {row.asked[0]}   # {', '.join(row.ids)}\n```")
    return "\n\n".join(lines)


def _truth(found: Claim | RuleResult) -> str:
    if isinstance(found, Claim):
        verdict = "so here" if found.holds else "no"
        return f"{verdict}; {found.ours}."
    if not found.applies:
        return f"the rule is silent: {found.why_not}."
    here = f" {found.here[0][0].upper()}{found.here[0][1:]}." if found.here else ""
    return (
        f"the rule says {says(found)}; {found.ours.what} {_is(found)} {both(found.ours.bytes)}, "
        f"so it is off by {error(found)}.{here} It fails {found.fails}."
    )


def _is(found: RuleResult) -> str:
    return "are" if found.ours.what.endswith("s") or "by definition" in found.ours.what else "is"


def trained() -> str:
    """The factors of training beside plans of training, activations included."""
    lines = []
    for method, text in (("full", "AdamW in bf16"), ("lora", "LoRA"), ("qlora", "QLoRA")):
        plan: TrainingPlan = wb.train("llama-2-7b", method=method, seq_len=2048)
        ratio = plan.total / (4 * plan.model.parameters)
        lines.append(
            f"- `weigh train llama-2-7b --method {method} --seq-len 2048` ({text}): "
            f"{format_bytes(plan.total)} at the peak, {ratio:.2f} times the model in fp32, "
            f"{2 * ratio:.2f} times the model in 16 bit."
        )
    return (
        "What the planner says of training itself, activations and logits included:\n\n"
        + "\n".join(lines)
    )


def units() -> str:
    """GB and GiB of one size."""
    size = plan_of(SEVENTY).term("weights")
    return (
        f"The same bytes in two units: {size:,} bytes of Llama-3.1-70B in 16 bit are "
        f"{format_bytes_decimal(size)} and {format_bytes(size)}. A card of 80 GB and a sum in GiB "
        "do not belong in one subtraction."
    )


def page_parts() -> list[str]:
    """The sections in order."""
    parts = []
    for title, rows in SECTIONS:
        extra = {"Weights": [units()], "Training": [trained()]}.get(title, [])
        parts.append("\n\n".join([f"## {title}", *extra, *(page_of(row) for row in rows)]))
    return parts


def articles() -> str:
    """The page."""
    return page(
        "What the articles got right and wrong",
        "Guides repeat a small set of numbers. Here each is held against the program, which made "
        "every figure of this page when the page was written. *so here* and *no* are verdicts for "
        "the named model, not for all. `weigh rules MODEL` says the same of yours.",
        *page_parts(),
    )
