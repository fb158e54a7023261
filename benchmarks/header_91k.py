"""How long the header of a checkpoint of 91,000 tensors takes, in CPU time and in memory.

    PYTHONPATH=src python benchmarks/header_91k.py            # measure
    PYTHONPATH=src python benchmarks/header_91k.py --check    # and exit 1 where over budget

The file has the names and shapes of DeepSeek-V3 in one piece; its data section is a hole, so that
it takes 12 MB on disk. A fresh process reads it, and the best of five is reported for the CPU
time, the worst for the memory.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CPU_BUDGET = 0.6
RSS_BUDGET = 100 * 2**20
RUNS = 5


def tensors() -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Names, dtypes and shapes in the manner of DeepSeek-V3: 61 layers and one for MTP."""
    hidden, experts = 7168, 256
    yield "model.embed_tokens.weight", "BF16", (129280, hidden)
    for layer in range(62):
        prefix = f"model.layers.{layer}"
        for norm in ("input_layernorm", "post_attention_layernorm"):
            yield f"{prefix}.{norm}.weight", "BF16", (hidden,)
        for name, rows, columns in (
            ("q_a_proj", 1536, hidden),
            ("q_b_proj", 24576, 1536),
            ("kv_a_proj_with_mqa", 576, hidden),
            ("kv_b_proj", 32768, 512),
            ("o_proj", hidden, 16384),
        ):
            yield from scaled(f"{prefix}.self_attn.{name}", rows, columns)
        for expert in range(experts + 1 if layer >= 3 else 1):
            where = f"{prefix}.mlp.experts.{expert}" if layer >= 3 else f"{prefix}.mlp"
            yield from scaled(f"{where}.gate_proj", 2048, hidden)
            yield from scaled(f"{where}.up_proj", 2048, hidden)
            yield from scaled(f"{where}.down_proj", hidden, 2048)
        yield f"{prefix}.mlp.gate.e_score_correction_bias", "F32", (experts,)
    yield "lm_head.weight", "BF16", (129280, hidden)


def scaled(name: str, rows: int, columns: int) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """A matrix in FP8 and the scales of its blocks of 128 × 128."""
    yield f"{name}.weight", "F8_E4M3", (rows, columns)
    yield f"{name}.weight_scale_inv", "F32", (-(-rows // 128), -(-columns // 128))


def write(path: Path) -> tuple[int, int]:
    """Write the file; returns the number of tensors and the bytes of its header."""
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, dtype, shape in tensors():
        end = at + math.prod(shape) * {"F8_E4M3": 1, "BF16": 2, "F32": 4}[dtype]
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, end]}
        at = end
    raw = json.dumps(entries, separators=(",", ":")).encode()
    with path.open("wb") as file:
        file.write(len(raw).to_bytes(8, "little") + raw)
        file.truncate(8 + len(raw) + at)
    return len(entries) - 1, len(raw)


def child(path: str) -> None:
    """Read the header and print what that took; runs in a process of its own."""
    from weighbridge.model.safetensors import read_header

    start = time.process_time()
    header = read_header(path)
    seconds = time.process_time() - start
    found = {"tensors": len(header.tensors), "cpu_s": seconds, "peak_rss_bytes": peak_rss()}
    print(json.dumps(found | {"process_cpu_s": time.process_time()}))


def peak_rss() -> int:
    """The most memory that this process held, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count the parent's memory from before the exec
        line = next(row for row in status.read_text().splitlines() if row.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def measure() -> dict[str, Any]:
    """The best CPU time and the worst memory of several fresh processes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        count, header_bytes = write(path)
        command = [sys.executable, __file__, "--child", str(path)]
        runs = [json.loads(subprocess.check_output(command)) for _ in range(RUNS)]
    if any(run["tensors"] != count for run in runs):
        raise SystemExit(f"{count} tensors were written, but not all were read")
    return {
        "benchmark": "header_91k",
        "tensors": count,
        "header_bytes": header_bytes,
        "cpu_s": round(min(run["cpu_s"] for run in runs), 4),
        "process_cpu_s": round(min(run["process_cpu_s"] for run in runs), 4),
        "peak_rss_bytes": max(run["peak_rss_bytes"] for run in runs),
        "cpu_budget_s": CPU_BUDGET,
        "rss_budget_bytes": RSS_BUDGET,
    }


def main() -> int:
    """Measure, print one JSON line and one for people; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="exit 1 where over budget")
    parser.add_argument("--child", metavar="FILE", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child)
        return 0
    found = measure()
    within = found["process_cpu_s"] <= CPU_BUDGET and found["peak_rss_bytes"] <= RSS_BUDGET
    print(json.dumps(found))
    print(
        f"{found['tensors']:,} tensors, {found['header_bytes'] / 1e6:.1f} MB of header: "
        f"{found['cpu_s']:.2f} s CPU ({found['process_cpu_s']:.2f} s with start-up, budget "
        f"{CPU_BUDGET}), peak {found['peak_rss_bytes'] / 2**20:.0f} MiB (budget "
        f"{RSS_BUDGET / 2**20:.0f}): {'within budget' if within else 'over budget'}"
    )
    return 1 if arguments.check and not within else 0


if __name__ == "__main__":
    raise SystemExit(main())
