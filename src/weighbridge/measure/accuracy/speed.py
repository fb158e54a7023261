"""Speed: served runs and single streams, beside what constants fitted without them say.

``speed_held_out.csv.gz`` holds what was predicted of each served row by constants fitted without
its model family, ``speed_single_held_out.csv.gz`` of each single stream without its model
(``scripts/fit_speed.py`` writes both). Rows faster than the roofline are left out by that rule
alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from weighbridge.engine.layout import Layout
from weighbridge.formats.format import StorageFormat
from weighbridge.formats.mixed import experts_only
from weighbridge.formats.table import find_format
from weighbridge.hardware.cards import find_card
from weighbridge.measure.accuracy.figure import Figure
from weighbridge.measure.accuracy.truth import csv_rows
from weighbridge.model.facts import Model
from weighbridge.model.load import load_model
from weighbridge.speed.constants import Constants, Fitted, constants_of, platform_of
from weighbridge.speed.kernels import kernels_of
from weighbridge.speed.rates import rates_of
from weighbridge.speed.serve import Load, Setting, works_of
from weighbridge.speed.shape import shape_of
from weighbridge.speed.speculative import measured_tokens
from weighbridge.speed.step import Cost
from weighbridge.speed.work import Cached, touched

# Engines whose rows count as another's.
KIN = {"exllama": "exllamav2"}


@cache
def model_of(name: str) -> Model:
    """A model of the catalogue, read once."""
    return load_model(name)


@cache
def storage_of(name: str) -> StorageFormat:
    """A format by name; ``-experts`` leaves everything but routed experts in 16 bit."""
    base = name.removesuffix("-experts")
    return experts_only(find_format(base)) if base != name else find_format(name)


def setting_of(row: dict[str, str], constants: Constants) -> Setting:
    """The setting of a serving row under given constants."""
    storage, card = storage_of(row["format"]), find_card(row["card"])
    layout = Layout(int(row["tensor"]), 1, int(row["data"]), 1, row["expert"] == "1")
    kernels = kernels_of(row["engine"], card, storage, float(row["cache_bytes"]))
    rates = rates_of(card, kernels.linear, kernels.expert)
    assert rates is not None, row["card"]
    drafts = int(row["drafts"])
    return Setting(
        shape_of(model_of(row["model"]), storage, layout),
        Cost(constants, kernels, rates, storage.value_bits < 16),
        Load(
            int(row["concurrency"]),
            int(row["mean_input"]),
            int(row["mean_output"]),
            drafts=drafts,
            accepted=measured_tokens(drafts),
        ),
        Cached(float(row["cache_bytes"])),
    )


def floor_seconds(setting: Setting) -> float:
    """The roofline: bytes over bandwidth, or operations over what large matrices reach."""
    work, rates = works_of(setting)[0], setting.cost.rates
    part = touched(work.experts, work.top_k, work.routed)
    moved = work.dense_bytes + work.expert_bytes * part + work.cache_bytes + work.state_bytes
    arithmetic = work.dense_operations / rates.stated + work.mixing_operations / rates.plain
    return float(max(moved / rates.bandwidth, arithmetic) / setting.load.accepted)


def figures() -> Iterator[Figure]:
    """Time per token and to the first token of servers, and time per token of single streams."""
    held = {row["id"]: row for row in csv_rows("speed_held_out.csv.gz")}
    for row in csv_rows("speed_serving.csv.gz"):
        if floor_seconds(setting_of(row, Constants())) * 1e3 <= float(row["tpot_ms"]):
            yield from _served(row, held[row["id"]])
    held = {row["id"]: row for row in csv_rows("speed_single_held_out.csv.gz")}
    for row in csv_rows("speed_single.csv.gz"):
        if row["id"] in held:
            yield _single(row, float(held[row["id"]]["seconds"]))


def _served(row: dict[str, str], held: dict[str, str]) -> Iterator[Figure]:
    fitted = constants_of(row["engine"])
    assert fitted is not None, row["engine"]
    engine = f"{row['engine']}=={row['version']}" if row["version"] else row["engine"]
    for name, what, low, high in (
        ("tpot_ms", "time per token, served", fitted.low, fitted.high),
        ("ttft_ms", "time to the first token, served", fitted.first_low, fitted.first_high),
    ):
        ours = float(held[name]) / 1e3
        yield Figure(
            "speed", row["id"], engine, row["family"], row["card"], what, "s",
            float(row[name]) / 1e3, ours, ours * low, ours * high,
            source=f"{row['benchmark']}, {row['measured']}",
        )  # fmt: skip


def _single(row: dict[str, str], ours: float) -> Figure:
    fitted = single_constants(row)
    return Figure(
        "speed", row["id"], row["engine"], model_of(row["model"]).family, row["card"],
        "time per token, one stream", "s", 1 / float(row["tokens_per_second"]), ours,
        ours * fitted.low, ours * fitted.high, source=row["source"],
    )  # fmt: skip


def single_constants(row: dict[str, Any]) -> Fitted:
    """The constants of a single stream's engine on its platform."""
    name = KIN.get(row["engine"], row["engine"])
    found = constants_of(name, platform_of(find_card(row["card"]).vendor))
    assert found is not None, row["engine"]
    return found
