"""TensorRT-LLM's cache, predicted against logs: docs/accuracy-tensorrt-llm.md.

Each row of tests/truth/tensorrt_llm_inference.jsonl is one quantity of a published log:

* ``cell``: bytes per token of a rank;
* ``kv``, ``tokens``: the pool; with ``given`` free memory a law, without it from flags and card;
* ``weights``, ``execution``, ``decoder``, ``runtime``, ``activations``, ``available``: GiB in the
  log's own lines.
"""

from __future__ import annotations

from scripts.accuracy_sglang import figures
from scripts.report import ROOT, table
from weighbridge.measure.accuracy.sglang import Result
from weighbridge.measure.accuracy.tensorrt_llm import is_law, predict, rows

REPORT = ROOT / "docs" / "accuracy-tensorrt-llm.md"


def totals(results: list[Result] | None = None) -> str:
    """What is printed on a terminal: rows by kind of quantity."""
    results = [predict(row) for row in rows()] if results is None else results
    lines = []
    for title, law in (
        ("laws: bytes per token, blocks of given memory", True),
        ("from flags and card", False),
    ):
        for use in ("fit", "report"):
            group = [r for r in results if is_law(r.row) is law and r.row["use"] == use]
            if group:
                lines.append((f"{title}, {use}", *figures(group)))
    header = ("TensorRT-LLM", "rows", "within the printed digits", "median error", "worst")
    return table(header, lines)


def report() -> str:
    """docs/accuracy-tensorrt-llm.md."""
    results = [predict(row) for row in rows()]
    every = table(
        ("row", "use", "measured", "predicted", "error", "source"),
        [(r.row["id"], r.row["use"], f"{r.row['measured']:,.6g}", f"{r.predicted:,.6g}",
          f"{r.error:+.2%}", r.row["source"]) for r in results],
    )  # fmt: skip
    parts = [
        "# TensorRT-LLM: predicted against printed",
        "Written by `scripts/accuracy`; do not edit. Each row is a quantity in a log that somebody "
        "published. An error is (predicted − printed) / printed.",
        NOTES,
        totals(results),
        "## Every row",
        every,
        "",
    ]
    return "\n\n".join(parts)


NOTES = """\
- **Fitted.** Rows of Llama-2-7B and Qwen3-0.6B, and decoder and runtime buffers of Llama-2-70B, are
  those that constants were fitted on (execution context, decoder, runtime buffers, what the PyTorch
  backend takes outside torch); the others are reported. One row fits the last of these.
- **Laws.** Bytes per token and the pool that a printed free memory makes are TensorRT-LLM's own
  arithmetic and have no fitted constant.
- **Misses.** Buffers of the TensorRT backend depend on how the engine was built; their bounds are
  wide. GPT-OSS is padded on loading, so its weights are 4 % low."""
