"""Closed form against trace: `python -m scripts.closed_form` writes docs/accuracy-closed-form.md.

What was traced is kept in docs/accuracy-closed-form.jsonl, one line for each model and pass; the
closed form's side is computed anew each time, which takes the standard library only.

    python -m scripts.closed_form                 # write the document from the kept lines
    python -m scripts.closed_form --check         # compare instead
    python -m scripts.closed_form --trace qwen    # trace these models anew (a prefix; "" is all)
    python -m scripts.closed_form --missing       # trace what has no kept line yet
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from scripts.report import ROOT, table, write
from scripts.traced.cut import closed, cut
from weighbridge.errors import InputError
from weighbridge.model.catalog import find
from weighbridge.trace.question import AUTOCAST, Question

KEPT = ROOT / "docs" / "accuracy-closed-form.jsonl"
REPORT = ROOT / "docs" / "accuracy-closed-form.md"
FAR = 0.20
LIKE, REST = "Llama-like", "the rest"
BATCH, LENGTH = 2, 2048
PASSES: dict[str, dict[str, Any]] = {
    "prefill": {"run": "prefill"},
    "decode": {"run": "decode"},
    "full": {"run": "train"},
    "full, checkpointed": {"run": "train", "checkpointing": True},
    "LoRA": {"run": "train", "method": "lora"},
    "QLoRA, checkpointed": {"run": "train", "method": "qlora", "checkpointing": True,
                            "prepare_kbit": True},
    "full, autocast": {"run": "train", "dtype": "amp-bf16"},
    "LoRA, autocast": {"run": "train", "method": "lora", "dtype": "amp-bf16"},
}  # fmt: skip
# Beside the Llama-like models, those traced under autocast; mixtures' kernel refuses fp32.
CAST = frozenset({"gemma-7b", "gemma-2-9b", "gpt2-xl"})
KINDS = ("parameters", "gradients", "optimizer")
# Classes without sdpa, and configs whose experts run in 16 bits only (torch._grouped_mm).
EAGER = frozenset({"gemma2", "bloom", "gpt_oss", "gptj", "mpt"})
EXPERTS = frozenset({"num_experts", "num_local_experts", "n_routed_experts"})
# Models by group, and the layers that are built in training: whole periods where layers
# differ; 0 is all. Inference is traced with all layers.
_ROWS = (
    (LIKE, 0, "llama-3.2-1b"),
    (LIKE, 4, "llama-3.1-8b qwen2.5-7b qwen3-8b mistral-7b-v0.1 smollm3-3b granite-3.0-8b-base "
     "olmo-2-1124-7b phi-3-mini-4k-instruct phi-4 glm-4-9b-0414 stablelm-2-12b "
     "starcoder2-7b seed-oss-36b-instruct "),
    (REST, 4, "gemma-7b gemma-2-9b gpt2-xl pythia-6.9b falcon-7b bloom-7b1 opt-6.7b "
     "mixtral-8x7b-v0.1 qwen3-30b-a3b gpt-oss-20b deepseek-v2-lite olmoe-1b-7b-0924 "
     "c4ai-command-r-v01 c4ai-command-r7b-12-2024 gpt-j-6b phi-2 mpt-7b "
     "qwen3-next-80b-a3b-instruct lfm2-1.2b"),
    (REST, 6, "gemma-3-1b-it"),
    (REST, 10, "nemotron-h-8b-base-8k"),
)  # fmt: skip


class Case(NamedTuple):
    """One pass of one model."""

    model: str
    group: str
    layers: int
    name: str

    @property
    def key(self) -> str:
        """The kept line's name."""
        return f"{self.model}, {self.name}"

    def question(self) -> Question:
        """What is traced; both sides read the same, cut config."""
        row = find(self.model)
        assert row is not None
        options = dict(PASSES[self.name])
        if row.config["model_type"] in EAGER:
            options["attn_implementation"] = "eager"
        if EXPERTS & row.config.keys():
            options.pop("prepare_kbit", None)
        config = cut(row.config, self.layers)
        return Question(config=config, batch=BATCH, seq_len=LENGTH, **options)


class Result(NamedTuple):
    """Both sides of a case."""

    case: Case
    line: dict[str, Any]
    ours: dict[str, int]

    @property
    def error(self) -> float:
        """Signed: (closed form − trace) / trace."""
        return float(self.ours["peak"] / self.line["peak"] - 1)

    def exact(self, kind: str) -> bool:
        """Whether our bytes are the traced ones, as they are or in blocks of 512."""
        return self.ours[kind] in self.line[kind]


def cases() -> Iterator[Case]:
    """Every pass of every model."""
    for group, layers, names in _ROWS:
        for model in names.split():
            for name, options in PASSES.items():
                if options.get("dtype") in AUTOCAST and group == REST and model not in CAST:
                    continue
                depth = layers if options["run"] == "train" else 0
                yield Case(model, group, depth, name)


def kept() -> dict[str, dict[str, Any]]:
    """The kept lines by case."""
    if not KEPT.exists():
        return {}
    lines = map(json.loads, KEPT.read_text(encoding="utf-8").splitlines())
    return {line["id"]: line for line in lines}


def retrace(prefix: str, *, missing: bool) -> None:
    """Trace the models whose name starts so, and keep each line as soon as it is known."""
    from scripts.traced.closed_form_runs import traced

    lines = kept()
    for case in cases():
        there = lines.get(case.key, {}).get("layers") == case.layers
        if not case.model.startswith(prefix) or (missing and there):
            continue
        lines[case.key] = {"id": case.key, "layers": case.layers, **traced(case.question())}
        text = [json.dumps(lines[each.key]) + "\n" for each in cases() if each.key in lines]
        KEPT.write_text("".join(text), encoding="utf-8")
        print(lines[case.key], flush=True)


def results() -> tuple[list[Result], list[tuple[str, str]]]:
    """Both sides where both are, and why not where one is not."""
    lines, found, without = kept(), [], []
    for case in cases():
        line = lines.get(case.key)
        if line is None or "failed" in line or line["layers"] != case.layers:
            without.append((case.key, (line or {}).get("failed", "not traced yet")))
            continue
        try:
            found.append(Result(case, line, closed(case.question())))
        except InputError as error:
            without.append((case.key, f"no closed form: {error}"))
    return found, without


def summary(found: list[Result]) -> Iterator[tuple[str, ...]]:
    """Figures of each group, and of each of its passes."""
    for group in (LIKE, REST):
        inside = [each for each in found if each.case.group == group]
        yield from ((group, name, *figures([each for each in inside if each.case.name == name]))
                    for name in PASSES)  # fmt: skip
        yield (group, "all", *figures(inside))


def figures(found: list[Result]) -> tuple[str, ...]:
    """Cases, median, 90th percentile and worst absolute error, and how many kinds are exact."""
    if not found:
        return ("0", *("-" for _ in range(6)))
    sizes = sorted(abs(each.error) for each in found)
    ninth = sizes[-(-len(sizes) * 9 // 10) - 1]
    exact = []
    for kind in KINDS:
        held = [each for each in found if each.line[kind][0] and _asked(each, kind)]
        count = sum(each.exact(kind) for each in held)
        exact.append(f"{count} of {len(held)}" if held else "-")
    return (str(len(found)), f"{statistics.median(sizes):.3%}", f"{ninth:.2%}",
            f"{sizes[-1]:.2%}", *exact)  # fmt: skip


def _asked(each: Result, kind: str) -> bool:
    return kind == "parameters" or each.case.name not in {"prefill", "decode"}


def by_model(found: list[Result]) -> Iterator[tuple[str, ...]]:
    """One line for each model: the error of each pass, and what is not exact."""
    for model in dict.fromkeys(each.case.model for each in found):
        mine = {each.case.name: each for each in found if each.case.model == model}
        first = [*mine.values()][-1]
        cells = [f"{mine[name].error:+.3%}" if name in mine else "-" for name in PASSES]
        yield (model, first.case.group, str(first.case.layers or "all"), *cells)


def inexact(found: list[Result]) -> Iterator[tuple[str, ...]]:
    """The kinds that are not the traced bytes."""
    for each in found:
        for kind in KINDS:
            if _asked(each, kind) and each.line[kind][0] and not each.exact(kind):
                there, here = each.line[kind][0], each.ours[kind]
                yield (each.case.key, kind, f"{there:,}", f"{here:,}", f"{here / there - 1:+.4%}")


# Why a model's pass is far off, as far as it is known.
REFERENCE = (
    "the trace runs the reference code of state-space layers, as Transformers does where mamba-ssm "
    "and causal-conv1d are missing; the closed form counts their kernels"
)
BROADCAST = (
    "Falcon gives sdpa one head of keys for all queries, which no fused kernel takes, so that "
    "scores are written out; the closed form of inference counts the fused kernel"
)
REASONS = {
    "prefill": {"falcon-7b": BROADCAST},
    "full": {"nemotron-h-8b-base-8k": REFERENCE},
}


def far(found: list[Result]) -> Iterator[tuple[str, ...]]:
    """The cases off by more than FAR."""
    for each in found:
        if abs(each.error) > FAR:
            why = REASONS.get(each.case.name, {}).get(each.case.model, "not explained")
            yield (each.case.key, f"{each.error:+.1%}", why)


NOTES = f"""\
- Each pass has {BATCH} sequences of {LENGTH:,} tokens in bf16 with sdpa, AdamW (fused); LoRA and
  QLoRA adapt all linears with rank 16, QLoRA after `prepare_model_for_kbit_training`, but for
  mixtures of experts, whose kernel refuses fp32. Both sides read the same config: whole in
  inference, in training cut to the layers named, as a trace's time grows with depth. Gemma 2,
  BLOOM, gpt-oss, GPT-J and MPT have no sdpa and run eager attention. Passes under autocast have
  fp32 weights and products in bf16 (`--precision amp-bf16`); of the rest {len(CAST)} models.
- An error is (closed form − trace) / trace at the peak of live bytes, without what the allocator
  keeps in reserve and without the CUDA context. In decode the logits are left out on both sides:
  the trace runs the forward pass, the closed form counts the sampler of `generate` too.
- Parameters, gradients and optimizer states are exact where they are the traced bytes, as they are
  or in the allocator's blocks of 512. Buffers are no parameters.
- State-space and linear-attention layers (Nemotron-H, Qwen3-Next) run their reference code in the
  trace, as they do where their kernels are not installed; the closed form counts the kernels."""


def report() -> str:
    """docs/accuracy-closed-form.md."""
    found, without = results()
    distant, odd = [*far(found)], [*inexact(found)]
    models = {each.case.model for each in found}
    versions = sorted({f"torch {each.line['torch']}, transformers {each.line['transformers']}"
                       for each in found})  # fmt: skip
    return "\n\n".join([
        "# Accuracy of the closed form: computed against traced",
        f"Written by `python -m scripts.closed_form`; do not edit. {len(models)} models, "
        f"{len(found)} passes, traced with {'; '.join(versions)}.",
        table(("group", "pass", "cases", "median", "90 % within", "worst", *KINDS),
              summary(found)),
        NOTES,
        "## By model",
        table(("model", "group", "layers trained", *PASSES), by_model(found)),
        "## Off by more than 20 %",
        table(("case", "error", "reason"), distant) if distant else "None.",
        "## Parameters, gradients and states that are not exact",
        table(("case", "kind", "traced bytes", "closed form", "error"), odd) if odd else "None.",
        "## Without a comparison",
        table(("case", "why"), without) if without else "None.",
        "",
    ])  # fmt: skip


def main() -> int:
    """Write, compare or trace."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--trace", metavar="PREFIX")
    parser.add_argument("--missing", action="store_true")
    options = parser.parse_args()
    if options.trace is not None or options.missing:
        retrace(options.trace or "", missing=options.missing)
    text = report()
    same = write(REPORT, text, check=options.check)
    print(text.split("## By model", maxsplit=1)[0])
    if not same:
        print("docs/accuracy-closed-form.md is not what the program says; run scripts/closed_form",
              file=sys.stderr)  # fmt: skip
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
