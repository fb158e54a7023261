"""How long the header of a GGUF file with a large tokenizer takes, in CPU time and in memory.

    PYTHONPATH=src python benchmarks/header_gguf.py            # measure
    PYTHONPATH=src python benchmarks/header_gguf.py --check    # and exit 1 where over budget

The file has a vocabulary of 163,840 tokens, 160,000 merges and 1,096 tensors, as DeepSeek-V3 has;
its data is a hole, so that it takes 8 MB on disk. A fresh process reads it, and the best of five
is reported for the CPU time, the worst for the memory. Where the ``gguf`` package is installed
(or named with ``--gguf-python``), its own reader is measured beside it, once.
"""

from __future__ import annotations

import argparse
import json
import resource
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CPU_BUDGET = 0.06
RSS_BUDGET = 40 * 2**20
RUNS = 5
TOKENS, MERGES = 163_840, 160_000
Q4_K, F32 = 12, 0
STRING, ARRAY, UINT32, INT32 = 8, 9, 4, 5


def tensors() -> Iterator[tuple[str, tuple[int, ...], int]]:
    """Names, dimensions (fastest first) and types of 1,096 tensors in 61 layers."""
    yield "token_embd.weight", (7168, TOKENS), Q4_K
    yield "output_norm.weight", (7168,), F32
    yield "output.weight", (7168, TOKENS), Q4_K
    for number in range(1_093):
        layer, part = divmod(number, 18)
        yield f"blk.{layer}.part_{part}.weight", (7168, 2048), Q4_K


def text(value: str) -> bytes:
    """A string as GGUF stores it."""
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def entries() -> Iterator[bytes]:
    """The metadata, the tokenizer's arrays included."""
    yield text("general.architecture") + struct.pack("<I", STRING) + text("deepseek2")
    yield text("deepseek2.block_count") + struct.pack("<II", UINT32, 61)
    yield text("tokenizer.ggml.model") + struct.pack("<I", STRING) + text("gpt2")
    words = b"".join(text(f"Ġtoken{number}") for number in range(TOKENS))
    head = struct.pack("<IIQ", ARRAY, STRING, TOKENS)
    yield text("tokenizer.ggml.tokens") + head + words
    kinds = struct.pack(f"<{TOKENS}i", *(1 for _ in range(TOKENS)))
    yield text("tokenizer.ggml.token_type") + struct.pack("<IIQ", ARRAY, INT32, TOKENS) + kinds
    pairs = b"".join(text(f"Ġto ken{number}") for number in range(MERGES))
    yield text("tokenizer.ggml.merges") + struct.pack("<IIQ", ARRAY, STRING, MERGES) + pairs
    yield text("tokenizer.chat_template") + struct.pack("<I", STRING) + text("{{x}}" * 4_000)


def write(path: Path) -> tuple[int, int]:
    """Write the file; returns the number of tensors and the bytes of its header."""
    metadata, described = list(entries()), []
    at = 0
    for name, dimensions, kind in tensors():
        described.append(
            text(name)
            + struct.pack(f"<I{len(dimensions)}QIQ", len(dimensions), *dimensions, kind, at)
        )
        values = dimensions[0] * (dimensions[1] if len(dimensions) > 1 else 1)
        at += values // 256 * 144 if kind == Q4_K else values * 4
    raw = b"GGUF" + struct.pack("<IQQ", 3, len(described), len(metadata))
    raw += b"".join(metadata) + b"".join(described)
    raw += bytes(-len(raw) % 32)
    with path.open("wb") as file:
        file.write(raw)
        file.truncate(len(raw) + at)
    return len(described), len(raw)


def child(path: str) -> None:
    """Read the header and print what that took; runs in a process of its own."""
    from weighbridge.model.gguf import read_gguf_header

    start = time.process_time()
    header = read_gguf_header(path)
    seconds = time.process_time() - start
    found = {"tensors": len(header.tensors), "cpu_s": seconds, "peak_rss_bytes": peak_rss()}
    print(json.dumps(found | {"process_cpu_s": time.process_time()}))


def official(path: str) -> None:
    """The same with the reader of the gguf package."""
    import importlib

    reader = importlib.import_module("gguf").GGUFReader
    start = time.process_time()
    count = len(reader(path).tensors)
    seconds = time.process_time() - start
    print(json.dumps({"tensors": count, "cpu_s": seconds, "peak_rss_bytes": peak_rss()}))


def peak_rss() -> int:
    """The most memory that this process held, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count the parent's memory from before the exec
        line = next(row for row in status.read_text().splitlines() if row.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def measure(gguf_python: str) -> dict[str, Any]:
    """The best CPU time and the worst memory of several fresh processes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.gguf"
        count, header_bytes = write(path)
        command = [sys.executable, __file__, "--child", str(path)]
        runs = [json.loads(subprocess.check_output(command)) for _ in range(RUNS)]
        theirs = subprocess.run(
            [gguf_python, __file__, "--official", str(path)],
            capture_output=True,
            check=False,
        )
    if any(run["tensors"] != count for run in runs):
        raise SystemExit(f"{count} tensors were written, but not all were read")
    return {
        "benchmark": "header_gguf",
        "tensors": count,
        "header_bytes": header_bytes,
        "cpu_s": round(min(run["cpu_s"] for run in runs), 4),
        "process_cpu_s": round(min(run["process_cpu_s"] for run in runs), 4),
        "peak_rss_bytes": max(run["peak_rss_bytes"] for run in runs),
        "cpu_budget_s": CPU_BUDGET,
        "rss_budget_bytes": RSS_BUDGET,
        "gguf_package": None if theirs.returncode else json.loads(theirs.stdout),
    }


def main() -> int:
    """Measure, print one JSON line and one for people; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="exit 1 where over budget")
    parser.add_argument("--gguf-python", default=sys.executable, help="a Python that has gguf")
    parser.add_argument("--child", metavar="FILE", help=argparse.SUPPRESS)
    parser.add_argument("--official", metavar="FILE", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child or arguments.official:
        (child if arguments.child else official)(arguments.child or arguments.official)
        return 0
    found = measure(arguments.gguf_python)
    within = found["cpu_s"] <= CPU_BUDGET and found["peak_rss_bytes"] <= RSS_BUDGET
    print(json.dumps(found))
    print(
        f"{found['tensors']:,} tensors, {found['header_bytes'] / 1e6:.1f} MB of header: "
        f"{found['cpu_s'] * 1e3:.1f} ms CPU ({found['process_cpu_s'] * 1e3:.0f} ms with start-up, "
        f"budget {CPU_BUDGET * 1e3:.0f} without), peak {found['peak_rss_bytes'] / 2**20:.0f} MiB "
        f"(budget {RSS_BUDGET / 2**20:.0f}): {'within budget' if within else 'over budget'}"
    )
    theirs = found["gguf_package"]
    if theirs:
        print(
            f"the gguf package's reader: {theirs['cpu_s']:.2f} s CPU, "
            f"peak {theirs['peak_rss_bytes'] / 2**20:.0f} MiB"
        )
    return 1 if arguments.check and not within else 0


if __name__ == "__main__":
    raise SystemExit(main())
