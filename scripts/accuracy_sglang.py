"""SGLang's pools, predicted against logs: docs/accuracy-sglang.md."""

from __future__ import annotations

from scripts.report import ROOT, table
from weighbridge.measure.accuracy.sglang import Result, predict, rows

REPORT = ROOT / "docs" / "accuracy-sglang.md"


GROUPS = (
    ("defaults that SGLang sets by itself", {"fraction", "sizes", "requests"}),
    ("bytes of given tokens and slots", {"key", "kv", "cell", "convolution", "recurrence"}),
    ("pools, given the free memory in the log", {"pool", "rest", "slots", "smallest"}),
    ("pool from flags and card alone", {"tokens"}),
    ("free before loading", {"before"}),
    ("weights as loaded", {"weights"}),
    ("attention workspace", {"attention"}),
    ("graphs", {"graphs"}),
)


def totals(results: list[Result] | None = None) -> str:
    """What is printed on a terminal: rows by kind of quantity."""
    results = [predict(row) for row in rows()] if results is None else results
    lines = []
    for title, quantities in GROUPS:
        for use in ("fit", "report"):
            group = [r for r in results if r.row["quantity"] in quantities and r.row["use"] == use]
            if group:
                lines.append((f"{title}, {use}", *figures(group)))
    header = ("SGLang", "rows", "within the printed digits", "median error", "worst")
    return table(header, lines)


def report() -> str:
    """docs/accuracy-sglang.md."""
    results = [predict(row) for row in rows()]
    every = table(
        ("row", "use", "measured", "predicted", "error", "source"),
        [(r.row["id"], r.row["use"], f"{r.row['measured']:,.6g}", f"{r.predicted:,.6g}",
          f"{r.error:+.2%}", r.row["source"]) for r in results],
    )  # fmt: skip
    parts = [
        "# SGLang: predicted against printed",
        "Written by `scripts/accuracy`; do not edit. Each row is a quantity in a log that somebody "
        "published. An error is (predicted − printed) / printed.",
        NOTES,
        totals(results),
        "## Every row",
        every,
        "",
    ]
    return "\n\n".join(parts)


def figures(group: list[Result]) -> tuple[str, ...]:
    """Rows, those within the printed digits, median and worst absolute error."""
    errors = sorted(abs(result.error) for result in group)
    return (
        str(len(group)),
        str(sum(result.exact for result in group)),
        f"{errors[len(errors) // 2]:.2%}",
        f"{errors[-1]:.1%}",
    )


NOTES = """\
- **Fitted.** Rows of Qwen are those that constants were fitted on (what loading leaves, attention
  workspaces, graphs); those of Llama, DeepSeek, Kimi, Granite, Nemotron, Grok, GLM and Ling are
  reported. What communicators take was read off three public logs, Grok's among them.
- **Laws.** The fraction, the bytes of tokens and slots, and the pool that a printed free memory
  makes are SGLang's own arithmetic and have no fitted constant.
- **Misses.** GB200 has more memory in our table than the logs show free. DeepSeek-V3 in NVFP4 and
  Kimi-K2.5 keep more in 16 bit than our formats do: weights 3 to 6 % low, and on MI355X the
  communicators of ROCm take more than is modelled: tokens 3 % high. Graphs have no closed form, and
  their bounds are wide."""
