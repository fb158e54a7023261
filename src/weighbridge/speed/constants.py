"""What engines cost beside the hardware: constants fitted on measured runs (``constants.json``).

``scripts/fit_speed.py`` writes the file and names the rows that each engine was fitted on; a
calibration of one's own machine (``weigh calibrate``) has the same shape and goes before it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from os.path import dirname, join
from typing import Any, NamedTuple

from weighbridge.speed.fitted import KIN

_FILE = join(dirname(__file__), "constants.json")
PLATFORMS = {"NVIDIA": "cuda", "Apple": "metal", "AMD": "rocm"}


class Constants(NamedTuple):
    """Constants of one engine; times in seconds, the others are factors.

    ``gemm``, ``expert`` and ``cache`` multiply the bandwidth that kernels reach; ``narrow`` the
    bandwidth of weights that are dequantized. Kernels for one vector cannot keep enough reads in
    flight for the fastest memory: ``ceiling`` bytes/s come on top as if in series. ``*_rate``
    multiply the arithmetic that large matrices reach, for experts with ``half_rows`` tokens each at
    half of it. ``plain_kernel`` and so on multiply the kernels' own fixed times; ``layer`` to
    ``recurrence`` are small kernels, ``hopper`` times slower there; ``row`` and ``routed_row`` are
    per sequence (and mixture). ``reduce`` is the latency of an all-reduce over a direct link,
    ``reduce_host`` over PCIe, ``link`` the part of the link that it reaches. ``prefill_layer`` are
    launches of a pass without graphs; ``interference`` multiplies what prompts of others cost a
    step. A first token takes ``request`` beside its prompt, ``wait`` steps of the others
    (scheduling, streaming in bunches), and ``burst`` of each other prompt where all begin at once.
    """

    gemm: float = 1.0
    narrow: float = 1.0
    expert: float = 1.0
    cache: float = 0.85
    ceiling: float = 1e15
    decode_rate: float = 0.85
    expert_decode_rate: float = 0.6
    prefill_rate: float = 1.0
    expert_prefill_rate: float = 0.5
    attention_rate: float = 0.4
    half_rows: float = 120.0
    plain_kernel: float = 0.9
    quantized_kernel: float = 0.3
    mixture_kernel: float = 0.7
    attention_kernel: float = 0.75
    layer: float = 8e-6
    norm: float = 2.5e-6
    shared: float = 6e-6
    route: float = 9e-6
    latent: float = 14e-6
    indexer: float = 45e-6
    recurrence: float = 22e-6
    hopper: float = 1.15
    step: float = 0.15e-3
    row: float = 5e-6
    routed_row: float = 5e-8
    reduce: float = 5e-6
    reduce_host: float = 25e-6
    link: float = 0.5
    prefill_layer: float = 45e-6
    interference: float = 0.95
    request: float = 15e-3
    burst: float = 0.05
    wait: float = 1.0


class Fitted(NamedTuple):
    """Constants of an engine, what they were fitted on, and the held-out ratio's bounds.

    ``low`` and ``high`` are quantiles of measured/predicted time per token on model families that
    were left out of the fit; ``first_low`` and ``first_high`` of the time to the first token.
    """

    constants: Constants
    rows: int
    source: str
    low: float
    high: float
    first_low: float
    first_high: float


def platform_of(vendor: str) -> str:
    """What engines of one stream run on there."""
    return PLATFORMS.get(vendor, "other")


@cache
def _data() -> dict[str, Any]:
    with open(_FILE, encoding="utf-8") as file:
        data: dict[str, Any] = json.load(file)
    return data


def fitted_engines() -> tuple[str, ...]:
    """Engines (and platforms of llama.cpp) with constants of their own."""
    return tuple(_data()["engines"])


@cache
def constants_of(engine: str, platform: str = "") -> Fitted | None:
    """The constants of an engine on a platform (``cuda``, ``metal``, …); None without any."""
    name = KIN.get(engine, engine)
    engines = _data()["engines"]
    found = engines.get(f"{name}/{platform}") or engines.get(name)
    return None if found is None else fitted_from(found)


def fitted_from(data: Mapping[str, Any]) -> Fitted:
    """Constants of one engine from its part of the file."""
    known = {k: float(v) for k, v in data["constants"].items() if k in Constants._fields}
    bounds = data["bounds"]
    return Fitted(
        Constants(**known),
        int(data["rows"]),
        str(data["source"]),
        *(float(bounds[name]) for name in ("low", "high", "first_low", "first_high")),
    )
