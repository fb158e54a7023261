"""Traced against measured: `python -m scripts.accuracy_trace` writes docs/accuracy-trace.md.

Tracing every published run takes half an hour on two cores, so that what was traced is kept in
docs/accuracy-trace.jsonl, one line for each row of truth with the versions that traced it.

    python -m scripts.accuracy_trace                 # write the document from the kept lines
    python -m scripts.accuracy_trace --check         # compare instead, and trace the operators anew
    python -m scripts.accuracy_trace --trace peft-   # trace these rows anew (a prefix; "" is all)
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterable
from typing import Any

from scripts.report import ROOT, table, write

TRUTH = ROOT / "tests" / "truth"
KEPT = ROOT / "docs" / "accuracy-trace.jsonl"
COST = ROOT / "docs" / "accuracy-trace-cost.jsonl"
REPORT = ROOT / "docs" / "accuracy-trace.md"
SETS = ("training_operators", "training_peft", "training_fsdp_qlora")
FAR = 0.20
# Rows that no trace of PyTorch operators can answer, by what they run.
OWN_KERNELS = "Liger's Triton kernels allocate inside their own code, which is not traced"
READS_VALUES = "the experts' loop reads which tokens each expert got; a trace has no values"


def rows() -> list[dict[str, Any]]:
    """Every row of truth."""
    return [
        json.loads(line) | {"set": name}
        for name in SETS
        for line in (TRUTH / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    ]


def left_out(row: dict[str, Any]) -> str:
    """Why a row is not traced; empty where it is."""
    if row["set"] == "training_operators":
        if row["provider"] == "liger":
            return OWN_KERNELS
        if row["kernel"] == "fused_moe":
            return READS_VALUES
    return ""


def trace_row(row: dict[str, Any]) -> dict[str, Any]:
    """The kept line of a row: bytes, or why there are none."""
    import torch
    import transformers

    line: dict[str, Any] = {"id": row["id"], "torch": torch.__version__.partition("+")[0],
                            "transformers": transformers.__version__}  # fmt: skip
    if row["set"] == "training_peft":
        import peft

        line["peft"] = peft.__version__
    try:
        line["bytes"] = _tracers()[row["set"]](row)
    except Exception as error:
        words = " ".join(str(error).split())[:160]
        line["failed"] = f"{type(error).__name__}: {words}"
    return line


def _tracers() -> dict[str, Callable[[dict[str, Any]], int]]:
    from scripts.traced import fsdp_qlora_runs
    from scripts.traced.operators import traced_bytes
    from scripts.traced.peft_runs import traced_reserved

    return {
        "training_operators": traced_bytes,
        "training_peft": lambda row: traced_reserved(row)[0],
        "training_fsdp_qlora": fsdp_qlora_runs.traced_reserved,
    }


def kept() -> dict[str, dict[str, Any]]:
    """The kept lines by row."""
    if not KEPT.exists():
        return {}
    lines = map(json.loads, KEPT.read_text(encoding="utf-8").splitlines())
    return {line["id"]: line for line in lines}


def keep(lines: dict[str, dict[str, Any]]) -> None:
    """Write the kept lines in the order of the truth."""
    order = [row["id"] for row in rows() if row["id"] in lines]
    text = "".join(json.dumps(lines[name]) + "\n" for name in order)
    KEPT.write_text(text, encoding="utf-8")


def retrace(prefix: str) -> None:
    """Trace the rows whose id starts so, and keep each as soon as it is known."""
    lines = kept()
    for row in rows():
        if row["id"].startswith(prefix) and not left_out(row):
            lines[row["id"]] = trace_row(row)
            keep(lines)
            print(lines[row["id"]], flush=True)


def figures(errors: Iterable[float]) -> tuple[str, ...]:
    """Rows, median, 90th percentile and worst absolute error, and the signed mean."""
    found = list(errors)
    sizes = sorted(map(abs, found))
    ninth = sizes[max(0, -(-len(sizes) * 9 // 10) - 1)]
    return (str(len(found)), f"{statistics.median(sizes):.3%}", f"{ninth:.3%}",
            f"{sizes[-1]:.2%}", f"{statistics.mean(found):+.2%}")  # fmt: skip


def report() -> str:
    """docs/accuracy-trace.md."""
    lines = kept()
    groups: dict[str, list[float]] = {}
    every, far, without = [], [], []
    for row in rows():
        line = lines.get(row["id"], {})
        if "bytes" not in line:
            why = left_out(row) or line.get("failed", "not traced yet")
            without.append((row["id"], f"{row['measured_bytes']:,}", why))
            continue
        error = line["bytes"] / row["measured_bytes"] - 1
        use = row.get("use", "report")
        name = GROUPS[row["set"]] + (", fitted" if use == "fit" else "")
        groups.setdefault(name, []).append(error)
        cells = (row["id"], use, f"{row['measured_bytes']:,}", f"{line['bytes']:,}",
                 f"{error:+.4%}", row["source"])  # fmt: skip
        every.append(cells)
        if abs(error) > FAR:
            far.append((row["id"], f"{error:+.1%}", "not explained"))
    cost = table(("model", "layers", "way", "CPU s", "MiB", "peak bytes"), costs())
    header = ("row", "use", "measured bytes", "traced bytes", "error", "source")
    return "\n\n".join([
        "# Accuracy of the trace: traced against measured on GPUs",
        "Written by `python -m scripts.accuracy_trace`; do not edit. Traced without a GPU; "
        "an error is (traced − measured) / measured.",
        table(("set", "rows", "median", "90 % within", "worst", "mean"),
              [(name, *figures(found)) for name, found in sorted(groups.items())]),
        NOTES,
        cost,
        "## Rows off by more than 20 %",
        table(("row", "error", "reason"), far) if far else "None.",
        "## Every row",
        table(header, every),
        "## Rows without a trace",
        table(("row", "measured bytes", "why"), without),
        "",
    ])  # fmt: skip


def costs() -> list[tuple[str, ...]]:
    """Rows of benchmarks/trace.py as it kept them."""
    found = [json.loads(line) for line in COST.read_text(encoding="utf-8").splitlines()]
    return [
        (row["model"], row["layers"], row["way"],
         row.get("over") or f"{row['cpu']:.1f}", f"{row['mib']:.0f}" if "mib" in row else "",
         f"{row['peak']:,}" if "peak" in row else "")
        for row in found
    ]  # fmt: skip


GROUPS = {
    "training_operators": "operators (Liger's benchmark, PyTorch side), allocated",
    "training_fsdp_qlora": "fsdp_qlora with whole replicas, reserved",
    "training_peft": "PEFT's MetaMathQA runs, reserved",
}
NOTES = """\
- **Operators.** cuBLAS' workspace counts once for each thread that multiplies: 8.125 MiB, and
  32 MiB on Hopper. Measured values are printed as 32-bit MiB, hence a KiB or two. Nothing is
  fitted but what Liger's compiled side leaves in the process of the ORPO rows: how many tensors of
  each shape was counted on one row, and four others of other lengths and batches agree.
- **PEFT.** One number is fitted, on one row: the longest batch has 704 tokens (rank-32 LoRA). All
  methods then share it. The figure is the peak of the caching allocator's segments, replayed.
  Rows whose kept line names PEFT 0.19.2.dev0 are traced with PEFT's code of the run, commit
  d787f51b: OSF still rebuilt each weight from stored factors then. The others are traced with
  PEFT 0.21.2.
- **fsdp_qlora.** Nothing is fitted; code of 2024 is traced with the present Transformers
  and the masks of 4.38, after the pieces that FSDP's wrapping leaves in the allocator.

## Seconds and memory of a trace

What `python benchmarks/trace.py` prints, its rows taken one at a time on two shared cores: two
training steps of one sequence of 2,048 tokens, checkpointed; CPU seconds after the imports.
PyTorch's MemTracker sums all live storages again at each operator, so that its time grows with the
square of the depth; it was not run on the two larger models. Its peaks lack cuBLAS' two
workspaces and the rounding to 512 bytes."""


def main() -> int:
    """Write, compare or trace."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--trace", metavar="PREFIX")
    options = parser.parse_args()
    if options.trace is not None:
        retrace(options.trace)
    same = write(REPORT, report(), check=options.check)
    if options.check:
        lines = kept()
        wanted = [row for row in rows()
                  if row["set"] == "training_operators" and not left_out(row)]  # fmt: skip
        for row in wanted:
            same &= trace_row(row).get("bytes") == lines.get(row["id"], {}).get("bytes")
    print(report().split("## Every row", maxsplit=1)[0])
    if not same:
        print("docs/accuracy-trace.md is not what the program says; run scripts/accuracy_trace",
              file=sys.stderr)  # fmt: skip
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
