"""What schedulers and servers cost beside the steps: constants fitted on measured closed loops.

``constants.json`` is written by ``scripts/fit_fleet.py``, which names the rows that they were
fitted on; how far they carry is in ``docs/accuracy_fleet.md``.
"""

from __future__ import annotations

import json
from functools import cache
from os.path import dirname, join
from typing import Any, NamedTuple

from weighbridge.fleet.simulate import Front

_FILE = join(dirname(__file__), "constants.json")


class Scheduling(NamedTuple):
    """Of one engine: what stands before the scheduler, a factor of the arithmetic of prompts, and
    ``wait``: steps of decode until a token that is made is seen (overlapped scheduling, streaming).
    """

    front: Front = Front()
    prompts: float = 1.0
    wait: float = 0.0
    rows: int = 0
    source: str = ""


@cache
def _data() -> dict[str, Any]:
    with open(_FILE, encoding="utf-8") as file:
        data: dict[str, Any] = json.load(file)
    return data


def scheduling_of(engine: str) -> Scheduling:
    """The constants of an engine; none of its own: nothing beside the steps."""
    found = _data()["engines"].get(engine)
    if found is None:
        return Scheduling()
    front = Front(found["request"], found["serial"])
    return Scheduling(front, found["prompts"], found["wait"], found["rows"], found["source"])
