"""vLLM: our terms and its pool against published logs; docs/accuracy-vllm.md.

A row of ``tests/truth/vllm_inference.jsonl`` is one start of the engine. ``settings`` says how much
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

import json
import statistics
from collections.abc import Iterator
from typing import Any, NamedTuple

from scripts.report import ROOT, table
from weighbridge.engine import Question, parse_engine
from weighbridge.engine.vllm.budget import Rank, ranks
from weighbridge.engine.vllm.capacity import room, stage_bytes
from weighbridge.engine.vllm.setup import Setup
from weighbridge.hardware.cards import find_card
from weighbridge.model.load import load_model
from weighbridge.request import make_request, settle_tokens
from weighbridge.units import GIB

TRUTH = ROOT / "tests" / "truth" / "vllm_inference.jsonl"
REPORT = ROOT / "docs" / "accuracy-vllm.md"
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
    return [json.loads(line) for line in TRUTH.read_text(encoding="utf-8").splitlines()]


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


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least ``share`` of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-int(len(ordered) * share * 10**6) // 10**6) - 1)]


def statistics_of(found: list[Figure]) -> tuple[str, ...]:
    """Rows, median, 90th percentile and worst error, within 3 %, 10 %, bounds' coverage."""
    errors = [abs(figure.error) for figure in found]
    return (
        str(len(errors)),
        f"{statistics.median(errors):.2%}",
        f"{percentile(errors, 0.9):.2%}",
        f"{max(errors):.1%}",
        f"{sum(error <= 0.03 for error in errors) / len(errors):.0%}",
        f"{sum(error <= 0.10 for error in errors) / len(errors):.0%}",
        f"{sum(figure.covered for figure in found) / len(errors):.0%}",
    )


HEADER = ("quantity", "rows", "median error", "90 % within", "worst", "within 3 %", "within 10 %",
          "bounds cover")  # fmt: skip


def summary(every: list[Figure]) -> str:
    """Quantities by use and by what is known of the settings."""
    groups: dict[str, list[Figure]] = {}
    for figure in every:
        key = f"{figure.quantity}, {figure.row['settings']}, {figure.row['use']}"
        groups.setdefault(key, []).append(figure)
    return table(HEADER, [(name, *statistics_of(group)) for name, group in sorted(groups.items())])


def integers(every: list[Counted]) -> str:
    """How many rows reproduce the printed integers from the printed GiB."""
    lines = []
    for use in ("fit", "report"):
        mine = [each for each in every if each.row["use"] == use]
        other = [each for each in mine if each.row.get("minimum_over_ranks")]
        asked = [each for each in mine if each not in other]
        wrong = ", ".join(each.row["id"] for each in asked if not each.exact) or "none"
        lines.append((use, str(len(asked)), str(sum(each.exact for each in asked)), wrong,
                      ", ".join(each.row["id"] for each in other) or "none"))  # fmt: skip
    header = ("rows", "asked", "exact", "not exact", "another rank had fewer blocks")
    return table(header, lines)


def everything() -> tuple[list[Figure], list[Counted]]:
    """All figures and all counts of the rows that are modelled."""
    asked = [row for row in rows() if modelled(row)]
    found = [figure for row in asked for figure in figures_of(row)]
    counts = [each for each in map(counted, asked) if each is not None]
    return found, counts


def totals() -> str:
    """What is printed on a terminal: both tables."""
    found, counts = everything()
    return f"{summary(found)}\n\n{integers(counts)}"


def report() -> str:
    """docs/accuracy-vllm.md."""
    found, counts = everything()
    left = [row for row in rows() if not modelled(row)]
    parts = [
        "# vLLM: predicted against printed",
        "Written by `scripts/accuracy`; do not edit. Each row is a start of vLLM whose log "
        "somebody published. An error is (predicted − printed) / printed.",
        NOTES,
        "## Terms and cache, from the settings alone",
        summary(found),
        "## Tokens, blocks and concurrency, from the printed GiB of cache",
        "Every size that rounds to the printed GiB is tried; a row is exact where one of them "
        "gives the printed integers.",
        integers(counts),
        "## Every figure",
        _every(found),
        "## Not modelled",
        table(("row", "engine", "source"),
              [(row["id"], row["engine_printed"], row["source"]) for row in left]),
        "",
    ]  # fmt: skip
    return "\n\n".join(parts)


NOTES = """\
- **Fitted.** Families Llama 3, GPT-OSS and the hybrids with Gated DeltaNet. The
  sampler's 9.7 copies of the logits, what lies outside torch and the graphs are medians of rows;
  the forms of the laws were found on all rows before the rows were split, so the reported errors
  are those of an explanation, not of a blind prediction.
- **Cache.** The identity of the budget holds to 0.01 GiB on every run; what remains is the error
  of the activations and of what lies outside torch, which weighs most where little is left.
- **Weights.** The rows in 16 bit are the parameters and one table of rotary positions, which was
  found on Llama-3.1-8B and holds on the others without a further constant. Formats whose kernels
  repack after loading are off by more, and their bounds are wider.
- **Not explained.** The peak of Mistral-Small-3.2 (2.12 GiB; the warm-up of its sampler with 1,024
  sequences would take 4.85). The encoder of Llama-3.2-Vision, profiled with many images at once
  (36.63 GiB), is outside the law and not counted. Rows by Unsloth hold LoRA slots of a rank that
  is not printed, so that only what stands beside their printed weights is compared.
- **Graphs.** What the profiler takes off for graphs from 0.21 on has no closed form; its bounds
  are wide."""


def _every(found: list[Figure]) -> str:
    header = ("row", "use", "settings", "quantity", "printed GiB", "predicted GiB", "error",
              "in bounds")  # fmt: skip
    lines = [
        (
            figure.row["id"],
            figure.row["use"],
            figure.row["settings"],
            figure.quantity,
            f"{figure.measured:.2f}",
            f"{figure.predicted:.2f}",
            f"{figure.error:+.1%}",
            "yes" if figure.covered else "no",
        )
        for figure in found
    ]
    return table(header, lines)
