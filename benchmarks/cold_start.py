"""CPU time of a first answer, beside peers and beside bare Python, in one run.

    python benchmarks/cold_start.py            # after scripts/setup bench
    python benchmarks/cold_start.py --runs 9

Each command is a process of its own; the commands take turns, so that a machine that slows down
slows all of them; the median of the runs is compared. Bytecode is cached, as after any first run.
A peer that is not installed is left out and said to be.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

BIN = Path(sys.executable).parent
FLOOR = "python -c pass"
OURS = "weigh llama-3.1-8b --on rtx-4090 --json"
COMMANDS = {
    FLOOR: [sys.executable, "-c", "pass"],
    OURS: [str(BIN / "weigh"), "llama-3.1-8b", "--on", "rtx-4090", "--json"],
    "hf-mem --help": [str(BIN / "hf-mem"), "--help"],
    "accelerate estimate-memory --help": [str(BIN / "accelerate"), "estimate-memory", "--help"],
}
WANTED = {FLOOR: 6.0, "hf-mem --help": 0.5}


def cpu_seconds(command: list[str]) -> float:
    """User and system time of one run, as the kernel counted it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def measure(runs: int) -> dict[str, list[float]]:
    """Every command ``runs`` times, in turn, after one run that is not counted."""
    present = {name: line for name, line in COMMANDS.items() if Path(line[0]).exists()}
    for line in present.values():
        cpu_seconds(line)
    times: dict[str, list[float]] = {name: [] for name in present}
    for _ in range(runs):
        for name, line in present.items():
            times[name].append(cpu_seconds(line))
    return times


def main() -> None:
    """Print the medians and our ratio to each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    times = measure(parser.parse_args().runs)
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name in COMMANDS:
        if name not in medians:
            print(f"{name:<40} not installed")
            continue
        ratio = medians[OURS] / medians[name]
        wanted = f"   wanted ≤ {WANTED[name]:g}" if name in WANTED else ""
        spread = f"{min(times[name]) * 1000:.0f}–{max(times[name]) * 1000:.0f}"
        print(f"{name:<40} {medians[name] * 1000:7.1f} ms CPU ({spread}), "
              f"weigh / this = {ratio:5.2f}{wanted}")  # fmt: skip
    print(json.dumps({name: round(value, 4) for name, value in medians.items()}))


if __name__ == "__main__":
    main()
