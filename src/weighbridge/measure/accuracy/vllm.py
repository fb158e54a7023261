"""vLLM: terms and its pool in published logs, beside ours.

A row of ``vllm_inference.jsonl`` is one start of the engine. ``settings`` says how much
of it is printed:

* ``known``: model, format, utilization and sequences are stated, or are that version's defaults;
* ``utilization rounded``: the same, but the utilization is printed with two decimals, which moves
  the budget by up to half a hundredth of the card;
* ``weights unknown``: what stands in memory is not stated (LoRA slots, layers left out);
* ``custom image``: an engine that somebody changed, and EXL3; asked for its integers alone;
* ``incomplete``: a setting that decides the budget is not printed;
* ``not modelled``: the version is older than what is modelled, or the model is not known.

The cache's tokens and concurrency are asked twice: from the printed GiB, which every row allows
(the integers must be those printed), and from the settings alone, where they are known.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from weighbridge.engine import Question, parse_engine
from weighbridge.engine.vllm.budget import Rank, ranks
from weighbridge.engine.vllm.capacity import room, stage_bytes
from weighbridge.engine.vllm.setup import Setup
from weighbridge.hardware.cards import find_card
from weighbridge.measure.accuracy.truth import json_rows
from weighbridge.model.load import load_model
from weighbridge.request import make_request, settle_tokens
from weighbridge.units import GIB

OPTIONS = ("engine", "use_v1", "tensor_parallel_size", "decode_context_parallel_size",
           "max_model_len", "max_num_seqs", "max_num_batched_tokens", "gpu_memory_utilization",
           "enforce_eager", "kv_cache_dtype", "enable_prefix_caching", "num_speculative_tokens",
           "speculative_method", "cpu_offload_gb", "block_size")  # fmt: skip
HALF_DIGIT = 0.005


class Figure(NamedTuple):
    """One quantity of one row, in GiB, with our bounds."""

    row: dict[str, Any]
    quantity: str
    measured: float
    predicted: float
    low: float
    high: float

    @property
    def error(self) -> float:
        """Signed and relative; of less than 0.1 GiB, relative to 0.1 GiB."""
        return (self.predicted - self.measured) / max(abs(self.measured), 0.1)

    @property
    def covered(self) -> bool:
        """Whether the printed figure lies within our bounds."""
        return bool(self.low - HALF_DIGIT <= self.measured <= self.high + HALF_DIGIT)


class Counted(NamedTuple):
    """Tokens and concurrency from the printed GiB of cache, and whether the integers agree."""

    row: dict[str, Any]
    tokens: int | None
    concurrency: float | None
    exact: bool


def rows() -> list[dict[str, Any]]:
    """The truth rows."""
    return json_rows("vllm_inference.jsonl")


def modelled(row: dict[str, Any]) -> bool:
    """Whether the row's engine and model are known here."""
    return bool(row["settings"] != "not modelled")


def settled(row: dict[str, Any]) -> Setup:
    """The engine's settings of the row's start, on a card of the printed size."""
    options = {name: row[name] for name in OPTIONS if name in row}
    if row.get("weights"):
        options["weights"] = row["weights"]
    request = make_request(row["model"], options)
    model = load_model(row["model"])
    tokens = settle_tokens(request, model.max_positions, generates=True, default=8192)
    count = row.get("tensor_parallel_size", 1)
    cards = ()
    if "on" in row:
        card = find_card(row["on"])
        if "total_gib" in row:
            total = round(row["total_gib"] * GIB)
            card = card._replace(visible_bytes=total, visible_low=None, visible_high=None)
        cards = (card,) * count
    engine = parse_engine(row["engine"])
    return Setup(Question(model, engine, request.deployment, tokens, 1, cards))


def figures_of(row: dict[str, Any]) -> Iterator[Figure]:
    """Every printed quantity of a row that we state as well."""
    setup = settled(row)
    rank, printed = ranks(setup)[row.get("rank", 0)], row["measured"]
    if row.get("weights") and row["settings"] != "weights unknown" and "weights_gib" in printed:
        mine = rank.loaded
        three = (value / GIB for value in (mine.total, mine.low, mine.high))
        yield Figure(row, "weights", printed["weights_gib"], *three)
    for quantity, estimate in (
        ("activation_peak_gib", rank.activation),
        ("non_torch_gib", rank.outside),
    ):
        asked = row["settings"] not in {"incomplete", "custom image"} and row.get("law", True)
        if quantity in printed and asked:
            three = (value / GIB for value in (estimate.bytes, estimate.low, estimate.high))
            yield Figure(row, quantity.removesuffix("_gib"), printed[quantity], *three)
    stated = row["settings"] not in {"incomplete", "custom image"}
    if setup.cards and "kv_gib" in printed and stated and row.get("law", True):
        yield from _cache(row, rank)


def _cache(row: dict[str, Any], rank: Rank) -> Iterator[Figure]:
    """The GiB of cache from the settings alone, and beside the printed weights."""
    three = [value / GIB for value in (rank.available, rank.low, rank.high)]
    printed = row["measured"]
    if row["settings"] in {"known", "utilization rounded"}:
        yield Figure(row, "cache", printed["kv_gib"], *three)
    if "weights_gib" in printed and "gpu_memory_utilization" in row and "total_gib" in row:
        shift = rank.loaded.total / GIB - printed["weights_gib"]
        three = [value + shift for value in three]
        yield Figure(row, "cache beside printed weights", printed["kv_gib"], *three)


def counted(row: dict[str, Any]) -> Counted | None:
    """Tokens and concurrency of the printed GiB; every size that rounds to it is tried."""
    printed = row["measured"]
    if "kv_gib" not in printed or printed["kv_gib"] <= 0:
        return None
    wanted = printed.get("kv_tokens"), printed.get("max_concurrency"), printed.get("kv_blocks")
    if all(each is None for each in wanted):
        return None
    setup = settled(row)
    page = stage_bytes(setup, 0)
    least = int((printed["kv_gib"] - HALF_DIGIT) * GIB // page)
    most = int((printed["kv_gib"] + HALF_DIGIT) * GIB // page)
    middle = room(setup, int(printed["kv_gib"] * GIB // page), setup.length)
    exact = any(_agrees(room(setup, blocks, setup.length), wanted, row, setup)
                for blocks in range(least, most + 1))  # fmt: skip
    return Counted(row, middle.tokens, middle.concurrency, exact)


def _agrees(held: Any, wanted: tuple[Any, ...], row: dict[str, Any], setup: Setup) -> bool:
    tokens, concurrency, blocks = wanted
    same = tokens is None or tokens == held.tokens
    same &= blocks is None or blocks == held.blocks or "max_num_seqs" not in row
    if concurrency is not None and "max_model_len" in row:
        same &= abs(concurrency - held.concurrency) <= 0.0101
    return bool(same and setup.pool.groups)


def everything() -> tuple[list[Figure], list[Counted]]:
    """All figures and all counts of the rows that are modelled."""
    asked = [row for row in rows() if modelled(row)]
    found = [figure for row in asked for figure in figures_of(row)]
    counts = [each for each in map(counted, asked) if each is not None]
    return found, counts
