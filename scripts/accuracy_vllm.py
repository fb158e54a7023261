"""vLLM: our terms and its pool against published logs; docs/accuracy-vllm.md."""

from __future__ import annotations

import statistics

from scripts.report import ROOT, table
from weighbridge.measure.accuracy.vllm import Counted, Figure, everything, modelled, rows

REPORT = ROOT / "docs" / "accuracy-vllm.md"


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least ``share`` of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-int(len(ordered) * share * 10**6) // 10**6) - 1)]


def statistics_of(found: list[Figure]) -> tuple[str, ...]:
    """Rows, median, 90th percentile and worst error, within 3 %, 10 %, bounds' coverage."""
    errors = [abs(figure.error) for figure in found]
    return (
        str(len(errors)),
        f"{statistics.median(errors):.2%}",
        f"{percentile(errors, 0.9):.2%}",
        f"{max(errors):.1%}",
        f"{sum(error <= 0.03 for error in errors) / len(errors):.0%}",
        f"{sum(error <= 0.10 for error in errors) / len(errors):.0%}",
        f"{sum(figure.covered for figure in found) / len(errors):.0%}",
    )


HEADER = ("quantity", "rows", "median error", "90 % within", "worst", "within 3 %", "within 10 %",
          "bounds cover")  # fmt: skip


def summary(every: list[Figure]) -> str:
    """Quantities by use and by what is known of the settings."""
    groups: dict[str, list[Figure]] = {}
    for figure in every:
        key = f"{figure.quantity}, {figure.row['settings']}, {figure.row['use']}"
        groups.setdefault(key, []).append(figure)
    return table(HEADER, [(name, *statistics_of(group)) for name, group in sorted(groups.items())])


def integers(every: list[Counted]) -> str:
    """How many rows reproduce the printed integers from the printed GiB."""
    lines = []
    for use in ("fit", "report"):
        mine = [each for each in every if each.row["use"] == use]
        other = [each for each in mine if each.row.get("minimum_over_ranks")]
        asked = [each for each in mine if each not in other]
        wrong = ", ".join(each.row["id"] for each in asked if not each.exact) or "none"
        lines.append((use, str(len(asked)), str(sum(each.exact for each in asked)), wrong,
                      ", ".join(each.row["id"] for each in other) or "none"))  # fmt: skip
    header = ("rows", "asked", "exact", "not exact", "another rank had fewer blocks")
    return table(header, lines)


def totals() -> str:
    """What is printed on a terminal: both tables."""
    found, counts = everything()
    return f"{summary(found)}\n\n{integers(counts)}"


def report() -> str:
    """docs/accuracy-vllm.md."""
    found, counts = everything()
    left = [row for row in rows() if not modelled(row)]
    parts = [
        "# vLLM: predicted against printed",
        "Written by `scripts/accuracy`; do not edit. Each row is a start of vLLM whose log "
        "somebody published. An error is (predicted − printed) / printed.",
        NOTES,
        "## Terms and cache, from the settings alone",
        summary(found),
        "## Tokens, blocks and concurrency, from the printed GiB of cache",
        "Every size that rounds to the printed GiB is tried; a row is exact where one of them "
        "gives the printed integers.",
        integers(counts),
        "## Every figure",
        _every(found),
        "## Not modelled",
        table(("row", "engine", "source"),
              [(row["id"], row["engine_printed"], row["source"]) for row in left]),
        "",
    ]  # fmt: skip
    return "\n\n".join(parts)


NOTES = """\
- **Fitted.** Families Llama 3, GPT-OSS and the hybrids with Gated DeltaNet. The
  sampler's 9.7 copies of the logits, what lies outside torch and the graphs are medians of rows;
  the forms of the laws were found on all rows before the rows were split, so the reported errors
  are those of an explanation, not of a blind prediction.
- **Cache.** The identity of the budget holds to 0.01 GiB on every run; what remains is the error
  of the activations and of what lies outside torch, which weighs most where little is left.
- **Weights.** The rows in 16 bit are the parameters and one table of rotary positions, which was
  found on Llama-3.1-8B and holds on the others without a further constant. Formats whose kernels
  repack after loading are off by more, and their bounds are wider.
- **Not explained.** The peak of Mistral-Small-3.2 (2.12 GiB; the warm-up of its sampler with 1,024
  sequences would take 4.85). The encoder of Llama-3.2-Vision, profiled with many images at once
  (36.63 GiB), is outside the law and not counted. Rows by Unsloth hold LoRA slots of a rank that
  is not printed, so that only what stands beside their printed weights is compared.
- **Graphs.** What the profiler takes off for graphs from 0.21 on has no closed form; its bounds
  are wide."""


def _every(found: list[Figure]) -> str:
    header = ("row", "use", "settings", "quantity", "printed GiB", "predicted GiB", "error",
              "in bounds")  # fmt: skip
    lines = [
        (
            figure.row["id"],
            figure.row["use"],
            figure.row["settings"],
            figure.quantity,
            f"{figure.measured:.2f}",
            f"{figure.predicted:.2f}",
            f"{figure.error:+.1%}",
            "yes" if figure.covered else "no",
        )
        for figure in found
    ]
    return table(header, lines)
