"""A local Ray cluster of two workers, a study over it, and one worker killed on the way.

Run as a program by the test, so that the cluster has a process of its own; what it heard is
written as JSON.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from pathlib import Path

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
STORE = 80 * 2**20


def main(study: str, out: str, killed: str, said: str) -> None:
    import ray
    from ray.cluster_utils import Cluster

    from weighbridge.study.read import read_study
    from weighbridge.study.run import run_study

    small = {"object_store_memory": STORE, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **small})
    workers = [cluster.add_node(num_cpus=1, object_store_memory=STORE) for _ in range(2)]
    ray.init(cluster.address, log_to_driver=False, logging_level=logging.CRITICAL)
    told: list[int] = []
    lost: list[int] = []
    nodes: list[int] = []

    def hear(done: int, size: int) -> None:
        told.append(done)
        if killed == "yes" and not lost and done * 4 > size:
            lost.append(done)
            cluster.remove_node(workers[1], allow_graceful=False)
        if done == size:
            nodes.append(sum(1 for node in ray.nodes() if node["Alive"]))

    start = time.perf_counter()
    swept = run_study(read_study(study), out, on_ray=cluster.address, told=hear)
    seconds = time.perf_counter() - start
    found = {"points": swept.points, "told": told, "lost": lost, "nodes": nodes,
             "seconds": seconds}  # fmt: skip
    Path(said).write_text(json.dumps(found), encoding="utf-8")
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
