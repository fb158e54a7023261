"""Fleets over one and over two Ray workers of a core each: `python -m benchmarks.sweep_ray`.

Two plain processes do the same work in the same run: what they gain over one is what the machine
can give, whatever else it does. Beside each wall time stand the seconds of processor time that
those who simulate took, and those of Ray itself (driver, raylets, control store): where the wall
time is longer than the former, cores were busy with something else.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from weighbridge.study.evaluate import Stretch, evaluate, numbers_of
from weighbridge.study.kinds import FLEET_COLUMNS
from weighbridge.study.points import Numbers, groups_of
from weighbridge.study.read import Axis, Study
from weighbridge.study.run import run_study

STORE = 80 * 2**20
FLEETS = 24
FIXED = {"model": "llama-3.1-8b", "on": "h100-sxm", "replicas": 1, "requests": 20_000}
STUDY = Study(
    "fleets",
    "fleet",
    FIXED,
    (Axis(("users",), tuple((n,) for n in range(16, 16 + FLEETS))),),
    FLEET_COLUMNS,
)
TICKS = os.sysconf("SC_CLK_TCK")


class Taken(NamedTuple):
    """Seconds: by the clock, of the processors for those who simulate, and for Ray itself."""

    wall: float
    own: float
    ray: float = 0.0


def plain(processes: int) -> Taken:
    """Each process takes every so many-th fleet; they begin together."""
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(processes + 1), context.Queue()
    workers = [
        context.Process(target=_share, args=(number, processes, start, results))
        for number in range(processes)
    ]
    for worker in workers:
        worker.start()
    start.wait()
    began = time.perf_counter()
    own = sum(results.get() for _ in workers)
    taken = time.perf_counter() - began
    for worker in workers:
        worker.join()
    return Taken(taken, own)


def _share(number: int, processes: int, start: Any, results: Any) -> None:
    numbers = Numbers(STUDY)
    stretches = [
        Stretch(group, place, place + 1, False)
        for group in groups_of(STUDY, numbers_of(STUDY))
        for place in range(group.size)
    ]
    small = STUDY._replace(fixed={**FIXED, "requests": 20})
    (group, *_) = groups_of(small, numbers_of(small))
    evaluate(small, Stretch(group, 0, 1, False), Numbers(small))
    start.wait()
    began = time.process_time()
    for stretch in stretches[number::processes]:
        evaluate(STUDY, stretch, numbers)
    results.put(time.process_time() - began)


def over_ray(workers: int, folder: Path) -> Taken:
    """The study on a cluster of its own, every worker started and warm."""
    import ray
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(workers):
        cluster.add_node(num_cpus=1, object_store_memory=STORE)
    ray.init(cluster.address, log_to_driver=False, logging_level=logging.ERROR)
    # So many small fleets that no worker is without one.
    warm = STUDY._replace(fixed={**FIXED, "requests": 400})
    run_study(warm, str(folder / "warm.csv"), on_ray=cluster.address)
    before = processor_seconds()
    start = time.perf_counter()
    run_study(STUDY, str(folder / f"{workers}.csv"), on_ray=cluster.address)
    taken = time.perf_counter() - start
    after = processor_seconds()
    ray.shutdown()
    cluster.shutdown()
    own, rest = (after[kind] - before[kind] for kind in (True, False))
    return Taken(taken, own, rest)


def processor_seconds() -> dict[bool, float]:
    """Of this process and all below it: of Ray's workers (True), and of all others."""
    found = {True: 0.0, False: 0.0}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal() or not _below(int(folder.name)):
            continue
        try:
            numbers = (folder / "stat").read_text().rpartition(")")[2].split()
            works = (folder / "cmdline").read_bytes().startswith(b"ray::")
        except OSError:
            continue
        found[works] += (int(numbers[11]) + int(numbers[12])) / TICKS
    return found


def _below(process: int) -> bool:
    """Whether it is this process or was started by it."""
    while process > 1:
        if process == os.getpid():
            return True
        try:
            text = Path(f"/proc/{process}/stat").read_text()
        except OSError:
            return False
        process = int(text.rpartition(")")[2].split()[1])
    return False


def line(name: str, one: Taken, two: Taken) -> str:
    """What one and two took, and the gain."""
    parts = [
        f"{taken.wall:6.1f} s (simulating {taken.own:5.1f} s"
        + (f", Ray {taken.ray:4.1f} s)" if taken.ray else ")")
        for taken in (one, two)
    ]
    return f"{name:<16} {parts[0]}   {parts[1]}   {one.wall / two.wall:4.2f}×"


def main() -> None:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    load = os.getloadavg()[0]
    print(f"{STUDY.size} fleets; {os.cpu_count()} cores, load {load:.1f} before the first run")
    print(f"{'':<16} one, two, and how many times as fast two are")
    print(line("plain processes", plain(1), plain(2)), flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(line("Ray workers", over_ray(1, folder), over_ray(2, folder)), flush=True)
        assert (folder / "1.csv").read_bytes() == (folder / "2.csv").read_bytes()


if __name__ == "__main__":
    main()
