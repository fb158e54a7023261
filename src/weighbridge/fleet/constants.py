"""What schedulers and servers cost beside the steps: constants fitted on measured closed loops.

``constants.json`` is written by ``scripts/fit_fleet.py``, which names the rows that they were
fitted on; how far they carry is in ``docs/accuracy_fleet.md``.
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
    ``wait`` decode steps until a first token that is made is seen (overlapped scheduling, streaming
    in bunches). A pass with prompts is launched from the host without CUDA graphs: ``layer`` for
    each layer and ``latent`` for one of latent attention, which expands its cache kernel by kernel.
    """

    request: float = 0.0
    wait: float = 0.0
    layer: float = 0.0
    latent: float = 0.0
    rows: int = 0
    source: str = ""

    def floor(self, shape: Shape) -> float:
        """The least seconds of a pass with prompts."""
        return self.layer * shape.layers + self.latent * shape.kernels.latents


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
