"""Measured runs of servers and single streams, as the project carries them, and their settings.

``tests/truth/speed_serving.csv.gz`` holds the cleaned rows of aiconfigurator's
``silicon_sample.csv`` (Apache-2.0), ``speed_single.csv.gz`` those of single streams. What the
launch scripts of the benchmark (InferenceX) say of the runs and the rows do not is in the columns:
cache type, drafted tokens, the layout that really ran, mean lengths (requests are 0.8 to 1 times
the nominal ones).
"""

from __future__ import annotations

import csv
import gzip
import io
from functools import cache
from typing import Any

from scripts.report import ROOT
from weighbridge.engine.layout import Layout
from weighbridge.formats.format import StorageFormat
from weighbridge.formats.mixed import experts_only
from weighbridge.formats.table import find_format
from weighbridge.hardware.cards import find_card
from weighbridge.model.facts import Model
from weighbridge.model.load import load_model
from weighbridge.speed.constants import Constants
from weighbridge.speed.kernels import kernels_of
from weighbridge.speed.rates import rates_of
from weighbridge.speed.serve import Load, Setting
from weighbridge.speed.shape import shape_of
from weighbridge.speed.speculative import measured_tokens
from weighbridge.speed.step import Cost
from weighbridge.speed.work import Cached

TRUTH = ROOT / "tests" / "truth"
SERVING = TRUTH / "speed_serving.csv.gz"
HELD_OUT = TRUTH / "speed_held_out.csv.gz"
SINGLE = TRUTH / "speed_single.csv.gz"


def read_rows(path: Any) -> list[dict[str, str]]:
    """The rows of a compressed table."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_rows(path: Any, rows: list[dict[str, Any]]) -> None:
    """The same bytes for the same rows."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(gzip.compress(text.getvalue().encode(), 9, mtime=0))


@cache
def model_of(name: str) -> Model:
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
