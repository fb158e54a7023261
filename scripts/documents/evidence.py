"""How each term is known, and how far off it was: formulas from plans, errors from the report."""

from __future__ import annotations

import json
from collections.abc import Iterable
from statistics import median
from typing import Any

from scripts.documents.asked import SERVED, TERM_WORDS, TRAINED, asked
from scripts.documents.text import cell, code, grid, page
from scripts.report import ROOT
from weighbridge.term import NAMES, Term
from weighbridge.units import format_bytes

BASELINE = ROOT / "docs" / "accuracy-baseline.json"
SUMMARY = ROOT / "docs" / "accuracy-summary.json"
MEASURED_BY_TERM = {
    "weights": ("vllm: weights (known)", "sglang: weights", "tensorrt-llm: weights"),
    "kv_cache": ("llama.cpp: caches, its own answer", "llama.cpp: caches, logs",
                 "vllm: cache (known)", "sglang: tokens", "tensorrt-llm: tokens"),
    "activations": ("llama.cpp: compute, its own answer", "llama.cpp: compute, logs",
                    "vllm: activation_peak (known)", "tensorrt-llm: activations"),
    "workspace": ("vllm: non_torch (known)", "sglang: before"),
    "graphs": ("sglang: graphs",),
    "state": ("sglang: convolution of given memory", "sglang: recurrence of given memory"),
    "context": ("transformers: peak, device",),
    "reserve": ("training: peak, reserved", "transformers: peak, device"),
    "logits": ("transformers: peak, allocated",),
    "gradients": ("training: peak, allocated",),
    "optimizer": ("training: peak, allocated",),
    "master_weights": ("training: peak, allocated",),
    "adapters": ("training: peak, allocated",),
}  # fmt: skip
ERRORS = ("group", "rows", "median error", "90 % within", "worst", "bounds cover")


def groups() -> dict[str, dict[str, Any]]:
    """The groups of the report, by name."""
    found: dict[str, dict[str, Any]] = json.loads(BASELINE.read_text(encoding="utf-8"))["groups"]
    return found


def _percent(share: float | None) -> str:
    return "no bounds stated" if share is None else f"{share:.2%}"


def _lines(found: Iterable[dict[str, Any]]) -> list[tuple[object, ...]]:
    return [
        (g["name"], g["rows"], _percent(g["median"]), _percent(g["ninetieth"]),
         _percent(g["worst"]), _percent(g["covered"]))
        for g in found
    ]  # fmt: skip


def terms() -> str:
    """Each term: every formula that was met in the plans asked, and the error of what covers it."""
    known = groups()
    parts = [
        "What stands here is taken from plans made while this page was written: "
        + "; ".join(
            f"{who}: {name} with {', '.join(f'{k} {v}' for k, v in options.items())}"
            for who, (name, options) in {**SERVED, **TRAINED}.items()
        )
        + ". Other models take other formulas: `--why` opens them. Errors are those of rows that "
        "nothing was fitted on, from [the accuracy report](measured.md); where no published row "
        "shows a term by itself, the error is that of the whole peak that holds it."
    ]
    for name in NAMES:
        rows = [_formula(who, term) for who, found in asked().items()
                for term in _once(name, found)]  # fmt: skip
        measured = [known[each] for each in MEASURED_BY_TERM[name] if each in known]
        parts.append(
            f"## {name}\n\n{TERM_WORDS[name][0].upper()}{TERM_WORDS[name][1:]}.\n\n"
            + (grid(("asked of", "bytes", "bounds", "basis", "formula", "source"), rows)
               if rows else "No plan above holds it.")
            + "\n\nMeasured:\n\n" + grid(ERRORS, _lines(measured))
        )  # fmt: skip
    return page("How each term is known", *parts)


def _once(name: str, found: tuple[Term, ...]) -> list[Term]:
    """The terms of a name, one for each formula."""
    return list({term.formula: term for term in found if term.name == name}.values())


def _formula(who: str, term: Term) -> tuple[str, ...]:
    bounds = (
        "exact"
        if term.low == term.high
        else f"{format_bytes(term.low)} to {format_bytes(term.high)}"
    )
    return (who, format_bytes(term.bytes), bounds, code(term.basis), term.formula, term.source)


def measured() -> str:
    """The accuracy report as one page, from what the last `documents.accuracy` wrote."""
    data = json.loads(SUMMARY.read_text(encoding="utf-8"))
    pictures = "\n".join(
        f'<figure markdown="span">![{name}: predicted against measured]'
        f"(../images/accuracy-{name}.svg)<figcaption>{name}</figcaption></figure>"
        for name in data["sets"]
    )
    worst = [(w["set"], w["id"], w["quantity"], f"{w['error']:+.1%}", w["source"])
             for w in data["worst"]]  # fmt: skip
    return page(
        "Predicted against measured",
        "Every row is a published run, log or benchmark. Rows that a constant was fitted on are "
        "marked `[fit]` and count in no other figure. `python -m scripts.documents.accuracy` makes "
        "the plots and the summary again; `weigh accuracy` prints all of it.",
        f"## Plots\n\nOn the dashed line the prediction is right.\n\n{pictures}",
        "## Coverage of bounds\n\n![Share of measured rows inside the bounds]"
        "(../images/coverage.svg)",
        "## By engine\n\n" + grid(ERRORS, _lines(data["engines"])),
        "## By quantity\n\n" + grid(ERRORS, _lines(groups().values())),
        "## The worst rows\n\n" + grid(("set", "row", "quantity", "error", "source"), worst),
        "## Peers on the same rows\n\n" + _peers(data["peers"]),
        "## Every row\n\n" + "\n".join(f"- [{cell(t)}](../{f})" for f, t in REPORTS),
    )


def _peers(rows: list[dict[str, Any]]) -> str:
    """Median absolute error of a peer and ours, on the rows that the peer answers."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault((row["peer"], row["quantity"]), []).append(row)
    lines = [
        (peer, quantity, len(mine), *(_middle(mine, whose) for whose in ("theirs", "ours")))
        for (peer, quantity), mine in found.items()
    ]
    return grid(("peer", "quantity", "rows", "their median error", "our median error"), lines)


def _middle(rows: list[dict[str, Any]], whose: str) -> str:
    return f"{median(abs(row[whose] / row['true'] - 1) for row in rows):.2%}"


REPORTS = (
    ("accuracy.md", "Transformers and llama.cpp"),
    ("accuracy-vllm.md", "vLLM"),
    ("accuracy-sglang.md", "SGLang"),
    ("accuracy-tensorrt-llm.md", "TensorRT-LLM"),
    ("accuracy-speed.md", "speed"),
    ("accuracy-training.md", "training"),
    ("accuracy-trace.md", "the trace"),
    ("accuracy-closed-form.md", "closed forms against traces"),
    ("models.md", "parameters of the catalogue"),
)
