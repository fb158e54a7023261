"""What schedulers and servers cost beside the steps: constants fitted on measured closed loops.

``constants.json`` is written by ``scripts/fit_fleet.py``, which names the rows that they were
fitted on; how far they carry is in ``docs/accuracy-fleet.md``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from os.path import dirname, join
from typing import Any, NamedTuple

from weighbridge.speed.shape import Shape

_FILE = join(dirname(__file__), "constants.json")


class Scheduling(NamedTuple):
    """Of one engine, in seconds: ``request`` until a request is at the scheduler (HTTP, text),
    and ``latent`` for launching a layer of latent attention, which expands its cache kernel by
    kernel, in a pass with more prompt tokens than CUDA graphs are captured for.

    ``wait`` is by construction: while a step runs the next is scheduled, so that a token is seen
    when the step after it has been launched and read (vLLM ``async_scheduling``, SGLang's and
    TensorRT-LLM's overlap scheduler).
    """

    request: float = 0.0
    latent: float = 0.0
    wait: float = 1.0
    rows: int = 0
    source: str = ""

    def floor(self, shape: Shape) -> float:
        """The least seconds of a pass with prompts."""
        return self.latent * shape.kernels.latents


@cache
def _data() -> dict[str, Any]:
    with open(_FILE, encoding="utf-8") as file:
        data: dict[str, Any] = json.load(file)
    return data


def scheduling_of(engine: str) -> Scheduling:
    """The constants of an engine; where it has none of its own, nothing beside the steps."""
    return scheduling_from(_data()["engines"].get(engine, {}))


def scheduling_from(data: Mapping[str, Any]) -> Scheduling:
    """The constants of one engine from its part of the file."""
    return Scheduling(**{name: data[name] for name in Scheduling._fields if name in data})
