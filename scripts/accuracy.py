"""Predicted against measured, of every engine; writes docs/accuracy*.md."""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterable

from scripts import accuracy_sglang, accuracy_tensorrt_llm, accuracy_vllm
from scripts.documents.accuracy import stale
from scripts.llama_cpp_accuracy import report as llama_cpp_report
from scripts.report import ROOT, table, write, write_part
from weighbridge.measure.accuracy.figures import figures_of
from weighbridge.measure.accuracy.report import Report, baseline_text, read_baseline, regressions
from weighbridge.measure.accuracy.transformers import Result, predict, rows

REPORT = ROOT / "docs" / "accuracy.md"
BASELINE = ROOT / "docs" / "accuracy-baseline.json"


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least ``share`` of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-int(len(ordered) * share * 10**6) // 10**6) - 1)]


def figures(results: list[Result]) -> tuple[str, ...]:
    """Rows, median, 90th percentile and worst absolute error, rows within 8 %, bounds' coverage."""
    errors = [abs(result.error) for result in results]
    within = sum(error <= 0.08 for error in errors) / len(errors)
    covered = sum(result.covered for result in results) / len(results)
    return (
        str(len(results)),
        f"{statistics.median(errors):.2%}",
        f"{percentile(errors, 0.9):.2%}",
        f"{max(errors):.1%}",
        f"{within:.1%}",
        f"{covered:.1%}",
    )


HEADER = ("rows", "median error", "90 % within", "worst", "within 8 %", "bounds cover")


def group_of(result: Result) -> str:
    """Engine version, format and what was measured."""
    row = result.row
    cards = ", several cards" if row["on"][0].isdigit() else ""
    return f"{row['engine']}, {row['weights']}, {row['quantity']}{cards}"


def summary(results: list[Result]) -> str:
    """The table that the README quotes: reported rows by version, and all of them."""
    reported = [r for r in results if r.row["use"] == "report"]
    fitted = [r for r in results if r.row["use"] == "fit"]
    by_engine: dict[str, list[Result]] = {}
    for result in reported:
        by_engine.setdefault(result.row["engine"], []).append(result)
    lines = [(name, *figures(group)) for name, group in sorted(by_engine.items())]
    lines.append(("**all reported rows**", *figures(reported)))
    lines.append(("rows looked at for fitting", *figures(fitted)))
    return table(("peak memory, Transformers", *HEADER), lines)


def report(results: list[Result], others: list[Result]) -> str:
    """docs/accuracy.md."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(f"{group_of(result)}, {result.row['use']}", []).append(result)
    return "\n\n".join(
        [
            "# Accuracy: predicted against measured",
            "Written by `scripts/accuracy`; do not edit. Each row is a published run; none is ours "
            "yet. An error is (predicted − measured) / measured.",
            summary(results),
            NOTES,
            "## By engine version, format and quantity",
            table(("group", *HEADER), [(name, *figures(g)) for name, g in sorted(groups.items())]),
            "## Every row",
            _every_row(results),
            "## Out of scope",
            "Rows of the same sources whose software is not what is modelled; not counted above.",
            _every_row(others),
            *llama_cpp_report(),
            "",
        ]
    )


NOTES = """\
What the figures rest on:

- **Fitted.** Only three constants come from measured rows: the allocator's hoard (four runs of
  Llama-2-7B), the second copy of a tied embedding in FP8 checkpoints under 4.51 (Qwen3-1.7B), and
  the copy while an AWQ checkpoint of a tied model loads (Qwen2.5-0.5B). All rows of Qwen2-0.5B,
  Qwen2.5-0.5B, Qwen3-1.7B and Llama-2-7B are therefore kept apart from the reported ones.
- **Looked at.** The structure (rounding of blocks, the doubled cache before 4.42, repeated heads)
  was searched for because of residuals on all rows, then confirmed in the sources or by tracing.
  The reported errors are therefore those of an explanation, not of a blind prediction.
- **`after`.** The BF16, FP8 and GPTQ rows of Qwen3 (4.51.3) equal weights + cache + workspace at
  every prompt length, without the prompt's pass and without the concatenation of the cache. They
  cannot be maxima; they are compared with what is held once generation is over. `weigh` itself
  plans for the peak, which is higher.
- **`decode`.** The AWQ rows of Qwen3 show the repeated heads of one layer, but no prompt's pass.
- **`device`.** The prompt's length is not stated by the source; 30 tokens are assumed."""


def _every_row(results: list[Result]) -> str:
    lines = []
    for result in results:
        row = result.row
        lines.append(
            (
                row["id"],
                row["use"],
                row["quantity"],
                f"{row['measured_bytes']:,}",
                f"{result.predicted:,}",
                f"{result.error:+.2%}",
                "yes" if result.covered else "no",
                row["source"],
            )
        )
    header = ("row", "use", "quantity", "measured bytes", "predicted bytes", "error", "in bounds",
              "source")  # fmt: skip
    return table(header, lines)


def baseline(*, check: bool) -> bool:
    """Write the baseline of every set of rows, or say what is worse than it."""
    found = Report(tuple(figures_of()))
    if not check:
        return write(BASELINE, baseline_text(found), check=False)
    worse = regressions(found, read_baseline(str(BASELINE)))
    print("\n".join(worse) or "no set of rows is worse than docs/accuracy-baseline.json")
    old = stale(found)
    if old:
        print(f"run python -m scripts.documents.accuracy: {', '.join(old)}", file=sys.stderr)
    return not worse and not old


def main() -> int:
    """Print, and write or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="compare with the files; change nothing"
    )
    check = parser.parse_args().check
    everything = [predict(row) for row in rows()]
    results = [r for r in everything if "out_of_scope" not in r.row]
    others = [r for r in everything if "out_of_scope" in r.row]
    print(summary(results))
    print(accuracy_vllm.totals())
    print(accuracy_sglang.totals())
    print(accuracy_tensorrt_llm.totals())
    same = write(REPORT, report(results, others), check=check)
    same &= write(accuracy_sglang.REPORT, accuracy_sglang.report(), check=check)
    same &= write(accuracy_tensorrt_llm.REPORT, accuracy_tensorrt_llm.report(), check=check)
    same &= write_part("accuracy", summary(results), check=check)
    same &= write(accuracy_vllm.REPORT, accuracy_vllm.report(), check=check)
    same &= baseline(check=check)
    if not same:
        print("docs/accuracy*.md or the README's table is not what the program says; "
              "run scripts/accuracy", file=sys.stderr)  # fmt: skip
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
