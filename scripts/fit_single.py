"""Constants of engines that serve one stream: llama.cpp by platform, MLX, ExLlama, MLC and others.

The same steps without measured kernels: ``gemm`` is then the part of the bandwidth that 16-bit
weights reach, ``narrow`` what quantized ones lose on top, ``layer`` all launches of a layer.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from scripts.fit_speed import stack, take
from scripts.speed_rows import SINGLE
from weighbridge.engine.layout import Layout
from weighbridge.hardware.cards import find_card
from weighbridge.measure.accuracy.speed import model_of, storage_of
from weighbridge.measure.accuracy.truth import csv_rows
from weighbridge.speed.constants import Constants
from weighbridge.speed.kernels import kernels_of
from weighbridge.speed.rates import rates_of
from weighbridge.speed.shape import shape_of
from weighbridge.speed.step import Cost, decode_split
from weighbridge.speed.work import Cached, Work, decode_work

PRIOR = {
    "gemm": (0.85, 0.15), "narrow": (0.9, 0.15), "expert": (0.8, 0.2), "cache": (0.5, 0.4),
    "layer": (25e-6, 0.6), "route": (40e-6, 0.6), "step": (0.5e-3, 0.7), "ceiling": (6e12, 0.8),
}  # fmt: skip
FIXED = {"norm": 0.0, "shared": 0.0, "latent": 0.0, "indexer": 0.0, "recurrence": 20e-6,
         "hopper": 1.0, "row": 0.0, "routed_row": 0.0, "interference": 1.0, "request": 2e-3,
         "burst": 0.5, "wait": 0.0, "prefill_layer": 0.0, "prefill_rate": 0.7,
         "expert_prefill_rate": 0.35}  # fmt: skip
PLATFORMS = {"NVIDIA": "cuda", "Apple": "metal", "AMD": "rocm"}
TENSOR = {"gpt-fast", "mlc-llm", "vllm"}
FAMILIES = {"exllama": "exllamav2", "ollama": "llama.cpp"}
FEWEST = 8


class Single(NamedTuple):
    """Rows of one engine on one platform."""

    table: list[dict[str, str]]
    cost: Cost
    work: Work
    seconds: Any


def key_of(row: dict[str, str]) -> str:
    """The engine's name in the file; llama.cpp's with the platform."""
    name = FAMILIES.get(row["engine"], row["engine"])
    platform = PLATFORMS.get(find_card(row["card"]).vendor, "other")
    return f"{name}/{platform}" if name == "llama.cpp" else name


def cost_and_work(row: dict[str, str], constants: Constants) -> tuple[Cost, Work]:
    card, storage = find_card(row["card"]), storage_of(row["format"])
    cards = int(row["cards"])
    layout = Layout(cards) if row["engine"] in TENSOR else Layout(pipeline=cards)
    shape = shape_of(model_of(row["model"]), storage, layout)
    kernels = kernels_of(row["engine"], card, storage, 2)
    rates = rates_of(card, kernels.linear, kernels.expert)
    assert rates is not None, row["card"]
    work = decode_work(shape, 1, int(row["context"]), Cached(2))
    return Cost(constants, kernels, rates, storage.value_bits < 16), work


def load_single() -> dict[str, Single]:
    groups: dict[str, list[dict[str, str]]] = {}
    for row in csv_rows(SINGLE.name):
        groups.setdefault(key_of(row), []).append(row)
    return {name: _stacked(rows) for name, rows in groups.items()}


def _stacked(rows: list[dict[str, str]]) -> Single:
    made = [cost_and_work(row, Constants()) for row in rows]
    return Single(
        rows,
        stack([cost for cost, _ in made]),
        stack([work for _, work in made]),
        np.array([1 / float(row["tokens_per_second"]) for row in rows]),
    )


def some_of(single: Single, mask: Any) -> Single:
    table = [single.table[i] for i in np.flatnonzero(mask)]
    return Single(table, *(take(each, mask) for each in single[1:]))


def floor_seconds(single: Single) -> Any:
    """Every byte once over the stated bandwidth."""
    work = single.work
    visited = work.expert_bytes * work.top_k / work.experts
    moved = work.dense_bytes + visited + work.cache_bytes + work.state_bytes
    return moved / single.cost.rates.bandwidth


def constants_from(vector: Any) -> Constants:
    return Constants(**FIXED, **dict(zip(PRIOR, np.exp(vector), strict=True)))


def predict(single: Single, constants: Constants) -> Any:
    return decode_split(single.work, single.cost._replace(constants=constants)).seconds


def fit(single: Single) -> Constants:
    """Constants of these rows; models count alike however many rows they have."""
    from scipy.optimize import least_squares

    start = np.log([prior for prior, _ in PRIOR.values()])
    width = np.array([width for _, width in PRIOR.values()])
    groups = [(row["model"], row["card"]) for row in single.table]
    weight = np.array([1 / np.sqrt(groups.count(group)) for group in groups])
    weight = weight / np.sqrt((weight**2).mean()) if len(weight) else weight

    def residuals(vector: Any) -> Any:
        ratio = np.log(predict(single, constants_from(vector)) / single.seconds) / 0.07
        own = np.sign(ratio) * np.sqrt(np.log1p(ratio**2)) * weight
        return np.concatenate([own, (vector - start) / width])

    return constants_from(least_squares(residuals, start, x_scale=width).x)


def held_out(single: Single) -> Any:
    """Seconds per token of each row, its model left out of the fit."""
    models = np.array([row["model"] for row in single.table])
    good, found = floor_seconds(single) <= single.seconds, np.full(len(models), np.nan)
    for name in sorted(set(models)):
        mine = models == name
        found[mine] = predict(some_of(single, mine), fit(some_of(single, good & ~mine)))
    return found


def entered(single: Single, name: str) -> bool:
    """Whether an engine has rows enough for constants of its own; vLLM's are the servers'."""
    return int((floor_seconds(single) <= single.seconds).sum()) >= FEWEST and name != "vllm"


def held_out_table() -> list[dict[str, Any]]:
    """What each row that the roofline allows was predicted to be without its model."""
    return [
        {"id": row["id"], "seconds": f"{seconds:.6g}"}
        for name, single in sorted(load_single().items())
        if entered(single, name)
        for row, seconds, fast in zip(
            single.table, held_out(single), floor_seconds(single) > single.seconds, strict=True
        )
        if not fast
    ]


def single_entries() -> dict[str, Any]:
    """The engines' parts of constants.json."""
    entries = {}
    for name, single in sorted(load_single().items()):
        good = floor_seconds(single) <= single.seconds
        if not entered(single, name):
            continue
        constants, out = fit(some_of(single, good)), held_out(single)
        low, high = np.quantile(single.seconds[good] / out[good], [0.05, 0.95])
        cards = sorted({row["card"] for row in single.table})
        entries[name] = {
            "rows": int(good.sum()),
            "source": f"tests/truth/{SINGLE.name}: {', '.join(cards)}",
            "bounds": {"low": round(float(low), 3), "high": round(float(high), 3),
                       "first_low": 0.5, "first_high": 2.0},
            "constants": {k: float(f"{v:.4g}") for k, v in constants._asdict().items()},
        }  # fmt: skip
    return entries
