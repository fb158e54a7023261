"""Fit what engines cost on the rows that the project carries, and write speed/constants.json.

`python -m scripts.fit_speed` (extra `fit`: numpy, scipy). Constants are shared by all servers, from
which an engine's own may deviate; priors are kernel measurements and published fits, so that what
few rows cannot tell stays where physics put it. Rows count with the root of their group's size, a
group being family, card and engine; single rows far off hardly count (Cauchy). Bounds and all
reported errors are of families left out (``held_out``), never of a random split.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from scripts.report import ROOT
from scripts.speed_rows import HELD_OUT, SERVING, SINGLE_HELD_OUT, write_rows
from weighbridge.measure.accuracy.speed import setting_of
from weighbridge.measure.accuracy.truth import csv_rows
from weighbridge.speed.constants import Constants
from weighbridge.speed.serve import Load, timed, works_of
from weighbridge.speed.step import Cost
from weighbridge.speed.work import Work, touched

FILE = ROOT / "src" / "weighbridge" / "speed" / "constants.json"
ENGINES = ("vllm", "sglang", "tensorrt-llm")
# Prior (where it is not the default of Constants) and its width in logarithms.
WIDTH = {
    "gemm": 0.08, "expert": 0.12, "cache": 0.25, "decode_rate": 0.3, "expert_decode_rate": 0.4,
    "prefill_rate": 0.12, "expert_prefill_rate": 0.3, "attention_rate": 0.4, "half_rows": 0.5,
    "layer": 0.4, "route": 0.5, "latent": 0.5, "indexer": 0.6, "recurrence": 0.6, "norm": 0.3,
    "shared": 0.4, "reduce": 0.3, "link": 0.2, "prefill_layer": 0.6, "hopper": 0.1, "step": 0.2,
    "row": 0.25, "routed_row": 0.6, "interference": 0.15, "plain_kernel": 0.15,
    "quantized_kernel": 0.4, "mixture_kernel": 0.2, "attention_kernel": 0.3,
}  # fmt: skip
# How far one engine may be from the others.
OWN = {
    "layer": 0.4, "route": 0.4, "step": 0.2, "row": 0.25, "interference": 0.15,
    "prefill_rate": 0.12, "quantized_kernel": 0.15, "mixture_kernel": 0.15, "reduce": 0.3,
    "expert": 0.1,
}  # fmt: skip
PRIOR = Constants(
    gemm=1.0, expert=1.15, cache=0.85, decode_rate=0.8, expert_decode_rate=0.6, prefill_rate=1.0,
    expert_prefill_rate=0.8, attention_rate=0.35, half_rows=100.0, plain_kernel=0.9,
    quantized_kernel=0.5, mixture_kernel=0.9, attention_kernel=0.8, layer=8e-6, norm=2e-6,
    shared=6e-6, route=12e-6, latent=12e-6, indexer=40e-6, recurrence=15e-6, hopper=1.1,
    step=0.15e-3, row=4.5e-6, routed_row=4e-8, reduce=5e-6, link=0.6, prefill_layer=40e-6,
    interference=1.0,
)  # fmt: skip
# What a first token takes beside its prompt; the ingest of a request as in BLIS (inference-sim).
FIRST = {"request": 0.016, "burst": 0.05, "wait": 2.0}
SCALE = 0.1
STRENGTH = 1.5


class Rows(NamedTuple):
    """All rows as arrays: loads, costs without constants, works, and what was measured."""

    table: list[dict[str, str]]
    load: Load
    cost: Cost
    step: Work
    prompt: Work
    replicas: Any
    engine: Any
    tpot: Any
    ttft: Any


def stack(items: list[Any]) -> Any:
    """Equal NamedTuples → one of arrays; texts stay the first one's."""
    first = items[0]
    if isinstance(first, tuple):
        return type(first)(*(stack(list(column)) for column in zip(*items, strict=True)))
    if isinstance(first, str) or first is None or callable(first):
        return first
    return np.array(items, dtype=bool if isinstance(first, bool) else float)


def load_rows() -> Rows:
    table = csv_rows(SERVING.name)
    settings = [setting_of(row, Constants()) for row in table]
    works = [works_of(setting) for setting in settings]
    return Rows(
        table,
        stack([setting.load for setting in settings]),
        stack([setting.cost for setting in settings]),
        stack([step for step, _ in works]),
        stack([prompt for _, prompt in works]),
        np.array([setting.shape.layout.data for setting in settings], float),
        np.array([ENGINES.index(row["engine"]) for row in table]),
        np.array([float(row["tpot_ms"]) / 1e3 for row in table]),
        np.array([float(row["ttft_ms"]) / 1e3 for row in table]),
    )


def take(value: Any, some: Any) -> Any:
    """The rows ``some`` of a tree of arrays."""
    if isinstance(value, tuple):
        return type(value)(*(take(each, some) for each in value))
    return value[some] if isinstance(value, np.ndarray) else value


def select(rows: Rows, some: Any) -> Rows:
    picked = [rows.table[i] for i in np.flatnonzero(some)]
    return Rows(picked, *(take(each, some) for each in rows[1:]))


def floor_seconds(rows: Rows) -> Any:
    """The roofline: bytes over bandwidth or operations over what large matrices reach."""
    work, rates = rows.step, rows.cost.rates
    part = touched(work.experts, work.top_k, work.routed)
    moved = work.dense_bytes + work.expert_bytes * part + work.cache_bytes + work.state_bytes
    arithmetic = work.dense_operations / rates.stated + work.mixing_operations / rates.plain
    return np.maximum(moved / rates.bandwidth, arithmetic) / rows.load.accepted


def usable(rows: Rows) -> Any:
    """Rows that physics allows."""
    return floor_seconds(rows) <= rows.tpot


def fittable(rows: Rows) -> Any:
    """Those of them on which constants are fitted: what the row says is what ran."""
    return usable(rows) & np.array([not row["remark"] for row in rows.table])


def unpack(vector: Any) -> dict[str, Any]:
    """Parameters → constants of each engine, an array of three where they differ."""
    values: dict[str, Any] = {
        name: np.full(len(ENGINES), np.exp(vector[i])) for i, name in enumerate(WIDTH)
    }
    for i, name in enumerate(OWN):
        start = len(WIDTH) + i * len(ENGINES)
        values[name] = values[name] * np.exp(vector[start : start + len(ENGINES)])
    return values


def constants_for(values: dict[str, Any], engine: Any) -> Constants:
    return Constants(**{name: value[engine] for name, value in values.items()})


def predict(rows: Rows, values: dict[str, Any]) -> Any:
    """The pace of every row."""
    cost = rows.cost._replace(constants=constants_for(values, rows.engine))
    return timed(rows.load, cost, rows.step, rows.prompt, rows.replicas)


def weights_of(rows: Rows) -> Any:
    groups = [(row["family"], row["card"], row["engine"]) for row in rows.table]
    sizes = Counter(groups)
    weight = np.array([1 / np.sqrt(sizes[group]) for group in groups])
    return weight / np.sqrt((weight**2).mean())


def fit(rows: Rows) -> dict[str, Any]:
    """Constants of these rows."""
    from scipy.optimize import least_squares

    start = np.array(
        [np.log(getattr(PRIOR, name)) for name in WIDTH] + [0.0] * (len(OWN) * len(ENGINES))
    )
    width = np.array([*WIDTH.values(), *(w for w in OWN.values() for _ in ENGINES)])
    weight = weights_of(rows)

    def residuals(vector: Any) -> Any:
        ratio = np.log(predict(rows, unpack(vector)).decode.seconds / rows.tpot) / SCALE
        own = np.sign(ratio) * np.sqrt(np.log1p(ratio**2)) * weight
        return np.concatenate([own, STRENGTH * (vector - start) / width])

    found = least_squares(residuals, start, x_scale=width, max_nfev=25)
    return unpack(found.x)


def first_constants(rows: Rows, values: dict[str, Any]) -> dict[str, Any]:
    """``request``, ``burst`` and ``wait`` of each engine, on the times to the first token."""
    from scipy.optimize import least_squares

    found = {name: np.zeros(len(ENGINES)) for name in FIRST}
    given = {**values, "request": np.zeros(3), "burst": np.zeros(3), "wait": np.zeros(3)}
    for engine in range(len(ENGINES)):
        some = select(rows, rows.engine == engine)
        start = np.log(list(FIRST.values()))
        vector = start
        if some.table:
            pace, weight = predict(some, given), weights_of(some)
            others = np.maximum(some.load.sequences / some.replicas - 1, 0)

            def residuals(
                vector: Any, pace: Any = pace, some: Any = some, weight: Any = weight,
                others: Any = others, start: Any = start,
            ) -> Any:  # fmt: skip
                request, burst, wait = np.exp(vector)
                prompt = pace.prefill.seconds
                first = request + prompt * (1 + burst * others) + wait * pace.decode.seconds
                ratio = np.log(first / some.ttft) / 0.25
                own = np.sign(ratio) * np.sqrt(np.log1p(ratio**2)) * weight
                return np.concatenate([own, vector - start])

            vector = least_squares(residuals, start).x
        for name, value in zip(FIRST, np.exp(vector), strict=True):
            found[name][engine] = value
    return {**values, **found}


def fit_all(rows: Rows) -> dict[str, Any]:
    return first_constants(rows, fit(rows))


def held_out(rows: Rows) -> tuple[Any, Any]:
    """Seconds per token and to the first token of each row, its family left out of the fit."""
    family = np.array([row["family"] for row in rows.table])
    good, tpot, ttft = fittable(rows), np.full(len(family), np.nan), np.full(len(family), np.nan)
    for name in sorted(set(family)):
        mine = family == name
        pace = predict(select(rows, mine), fit_all(select(rows, good & ~mine)))
        tpot[mine], ttft[mine] = pace.decode.seconds, pace.burst
    return tpot, ttft


def bounds_of(rows: Rows, tpot: Any, ttft: Any, engine: int) -> dict[str, float]:
    """Quantiles 5 and 95 % of measured/predicted on left-out families."""
    mine = usable(rows) & (rows.engine == engine)
    token, first = rows.tpot[mine] / tpot[mine], rows.ttft[mine] / ttft[mine]
    low, high = np.quantile(token, [0.05, 0.95])
    first_low, first_high = np.quantile(first, [0.05, 0.95])
    names = ("low", "high", "first_low", "first_high")
    return dict(zip(names, (round(float(x), 3) for x in (low, high, first_low, first_high)),
                    strict=True))  # fmt: skip


def engine_entry(rows: Rows, values: dict[str, Any], out: Any, engine: int) -> dict[str, Any]:
    good = select(rows, fittable(rows) & (rows.engine == engine))
    constants = {name: float(f"{value[engine]:.4g}") for name, value in values.items()}
    families = sorted({row["family"] for row in good.table})
    cards = sorted({row["card"] for row in good.table})
    return {
        "rows": len(good.table),
        "source": f"tests/truth/{SERVING.name}: {', '.join(families)} on {', '.join(cards)}",
        "bounds": bounds_of(rows, out[0], out[1], engine),
        "constants": constants,
    }


def write_held_out(rows: Rows, out: Any) -> None:
    """What each row was predicted to be without its family, for the report."""
    table = [
        {
            "id": row["id"],
            "tpot_ms": round(float(token) * 1e3, 4),
            "ttft_ms": round(float(first) * 1e3, 2),
        }
        for row, token, first in zip(rows.table, *out, strict=True)
    ]
    write_rows(HELD_OUT, table)


def main() -> None:
    rows = load_rows()
    values = fit_all(select(rows, fittable(rows)))
    out = held_out(rows)
    write_held_out(rows, out)
    entries = {name: engine_entry(rows, values, out, i) for i, name in enumerate(ENGINES)}
    from scripts.fit_single import held_out_table, single_entries

    write_rows(SINGLE_HELD_OUT, held_out_table())
    data = {"engines": {**entries, **single_entries()}}
    FILE.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
