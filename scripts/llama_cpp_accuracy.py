"""llama.cpp: predicted against its own answers and against logs; a part of docs/accuracy.md.

``tests/truth/llamacpp_oracle.jsonl.gz`` holds what llama.cpp itself would allocate, in bytes, on a
CPU and on one device beside it; ``tests/truth/llamacpp_inference.jsonl`` what published logs of
GPUs say, in MiB. No constant was fitted on a log; the graphs were written against the families of
``describe.EXACT_GRAPHS`` in the first file and are reported on the others.
"""

from __future__ import annotations

from collections import defaultdict

from scripts.report import table
from weighbridge.measure.accuracy.llama_cpp import CLOSE, Oracle, known, logged, oracle


def report() -> list[str]:
    """The section of docs/accuracy.md."""
    return [*_oracle_section(), *_log_section()]


def _oracle_section() -> list[str]:
    by_model: dict[str, list[Oracle]] = defaultdict(list)
    for each in oracle():
        by_model[each.row["model"]].append(each)
    rows = [
        [name, str(len(each)), str(sum(o.context for o in each)), str(sum(o.exact for o in each)),
         str(sum(o.close for o in each))]
        for name, each in by_model.items()
    ]  # fmt: skip
    every = [o for each in by_model.values() for o in each]
    return [
        "## llama.cpp",
        "What llama.cpp 0.5.0-dev itself would allocate, on a CPU and on one device beside it: "
        f"{len(every):,} settings. Caches and states agree to the byte in "
        f"{sum(o.context for o in every):,}, compute buffers of every device to the byte in "
        f"{sum(o.exact for o in every):,} and within 5 % in {sum(o.close for o in every):,}.",
        table(["model", "settings", "cache exact", "compute exact", "within 5 %"], rows),
    ]


def _log_section() -> list[str]:
    lines = logged()
    kept = [line for line in lines if "compute" not in line.what]
    compute = [line for line in lines if "compute" in line.what and known(line.row)]
    other = [line for line in lines if "compute" in line.what and not known(line.row)]
    close, loose = (sum(abs(x.error) <= CLOSE for x in each) for each in (compute, other))
    rows = [
        [line.row["id"], line.row["version"], line.what, f"{line.said:,.2f}", f"{line.ours:,.2f}",
         f"{line.error:+.1%}"]
        for line in lines
        if line.error
    ]  # fmt: skip
    return [
        "Published logs of GPUs (llama.cpp and, for caches, its fork ik_llama.cpp): "
        f"{sum(line.error == 0 for line in kept)} of {len(kept)} caches and states agree to the "
        f"printed digits, and {close} of {len(compute)} compute buffers are within 5 % where the "
        f"log says how layers were placed ({loose} of {len(other)} where it does not: "
        "overrides of tensors were in force, which ends the pipeline of "
        "several GPUs). Those that differ:",
        "",
        table(["log", "build", "buffer", "printed MiB", "predicted MiB", "error"], rows),
    ]


if __name__ == "__main__":
    print("\n".join(report()))
