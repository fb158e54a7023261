"""Stretches over a Ray cluster; finished ones come back as they end, in any order.

A stretch whose worker is lost is run again elsewhere; what came back is kept by the journal.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import islice
from typing import Any

from weighbridge.errors import StudyError
from weighbridge.study.evaluate import Stretch, evaluate
from weighbridge.study.points import Numbers
from weighbridge.study.read import Study

AT_ONCE = 4  # stretches under way for each core of the cluster
MOST_TRIES = 20
KEEP: dict[str, Numbers] = {}


def over_ray(
    study: Study, stretches: Iterable[Stretch], address: str
) -> Iterator[tuple[Stretch, dict[str, list[Any]]]]:
    """Each stretch with its columns. ``local`` starts a cluster on this machine."""
    if find_spec("ray") is None:
        raise StudyError("--on-ray needs Ray; pip install 'weighbridge[ray]'")
    with _connected(address) as ray:
        shared = ray.put(study)
        # Ray itself starts a task again whose worker or node died; an error of ours is no reason.
        task = ray.remote(max_retries=MOST_TRIES)(_evaluated)
        waiting = iter(stretches)
        under_way: dict[Any, tuple[Stretch, int]] = {}
        while True:
            room = max(int(ray.cluster_resources().get("CPU", 1)) * AT_ONCE, 1) - len(under_way)
            for stretch in islice(waiting, max(room, 0)):
                under_way[task.remote(shared, stretch)] = stretch, 1
            if not under_way:
                return
            ready, _ = ray.wait(list(under_way), num_returns=1)
            for done in ready:
                stretch, tries = under_way.pop(done)
                try:
                    found = ray.get(done)
                except (ray.exceptions.RayTaskError, ray.exceptions.RayError) as error:
                    if isinstance(error, ray.exceptions.RayTaskError) or tries >= MOST_TRIES:
                        raise StudyError(f"the cluster could not finish: {_short(error)}") from None
                    under_way[task.remote(shared, stretch)] = stretch, tries + 1
                    continue
                yield stretch, found


def _evaluated(study: Study, stretch: Stretch) -> dict[str, list[Any]]:
    """What a worker does; it reads the axes of a study once."""
    key = study.digest()
    if key not in KEEP:
        KEEP.clear()
        KEEP[key] = Numbers(study)
    return evaluate(study, stretch, KEEP[key])


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    import logging

    import ray

    ours = not ray.is_initialized()
    if ours:
        where = {"include_dashboard": False} if address == "local" else {}
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anyone
        try:
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **where)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise StudyError(f"no Ray cluster at {address}: {_short(error)}") from None
    try:
        yield ray
    finally:
        if ours:
            ray.shutdown()


def _short(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1][:200]
