"""Fleets over one and over two Ray workers of a core each: `python -m benchmarks.sweep_ray`.

It needs two idle cores: on two cores at a load of 7, 15.3 s on one worker and 16.1 s on two.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from pathlib import Path

from weighbridge.study.kinds import FLEET_COLUMNS
from weighbridge.study.read import Axis, Study
from weighbridge.study.run import run_study

STORE = 80 * 2**20
FIXED = {"model": "llama-3.1-8b", "on": "h100-sxm", "replicas": 1, "requests": 20_000}
STUDY = Study(
    "fleets",
    "fleet",
    FIXED,
    (Axis(("users",), tuple((n,) for n in range(16, 40))),),
    FLEET_COLUMNS,
)


def seconds(workers: int, folder: Path) -> float:
    """Wall-clock seconds of the study, its workers already started."""
    import ray
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(workers):
        cluster.add_node(num_cpus=1, object_store_memory=STORE)
    ray.init(cluster.address, log_to_driver=False, logging_level=logging.ERROR)
    warm = STUDY._replace(axes=(Axis(("users",), tuple((n,) for n in range(1, 9))),))
    warm = warm._replace(fixed={**FIXED, "requests": 20})
    run_study(warm, str(folder / "warm.csv"), on_ray=cluster.address)
    start = time.perf_counter()
    run_study(STUDY, str(folder / f"{workers}.csv"), on_ray=cluster.address)
    taken = time.perf_counter() - start
    ray.shutdown()
    cluster.shutdown()
    return taken


def main() -> None:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        one, two = seconds(1, folder), seconds(2, folder)
        assert (folder / "1.csv").read_bytes() == (folder / "2.csv").read_bytes()
    print(f"{STUDY.size} fleets: {one:.1f} s on one worker, {two:.1f} s on two: {one / two:.2f}×")


if __name__ == "__main__":
    main()
