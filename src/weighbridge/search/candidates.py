"""What could run a model: cards and how many, engines, formats, cache types and layouts.

To consider a further engine or format, add its row. Which formats an engine runs on which cards is
as its documentation says: vLLM's table of supported hardware (features/quantization), SGLang's and
TensorRT-LLM's support matrices, llama.cpp's tools/quantize.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from weighbridge.engine.layout import Layout
from weighbridge.errors import HardwareError
from weighbridge.formats import StorageFormat, find_format
from weighbridge.formats.stated import stated_format
from weighbridge.hardware.card import Card
from weighbridge.hardware.cards import list_cards
from weighbridge.hardware.machine import parse_machine
from weighbridge.model.facts import Model
from weighbridge.request import Deployment

COUNTS = (1, 2, 4, 8)
# Left out where no card is named: a laptop is not bought card by card, and no engine that is timed
# runs on the accelerators of the table.
KINDS = ("discrete", "unified")
ANY = 0.0


class Runs(NamedTuple):
    """What an engine runs: format of weights → least NVIDIA compute capability, and cache types.

    ``amd`` are the formats that it runs on AMD's data-centre cards (gfx9).
    """

    vendors: frozenset[str]
    weights: dict[str, float]
    cache: dict[str, float]
    ranks: bool = True
    amd: frozenset[str] = frozenset()


_SERVED = {"auto": 8.0, "fp8-dynamic": 8.9, "w8a8": 8.0, "w4a16": 8.0, "nvfp4-ct": 10.0}
ENGINES: dict[str, Runs] = {
    "vllm": Runs(frozenset({"NVIDIA", "AMD"}), _SERVED, {"auto": ANY, "fp8": 8.9},
                 amd=frozenset({"auto", "fp8-dynamic", "w8a8"})),
    "sglang": Runs(frozenset({"NVIDIA", "AMD"}), _SERVED, {"auto": ANY, "fp8": 8.9},
                   amd=frozenset({"auto", "fp8-dynamic"})),
    "tensorrt-llm": Runs(
        frozenset({"NVIDIA"}),
        {"auto": 8.0, "fp8-tensor": 8.9, "int4-g128": 8.0, "nvfp4": 10.0},
        {"auto": ANY, "fp8": 8.9},
    ),
    "llama.cpp": Runs(
        frozenset({"NVIDIA", "AMD", "Apple", "Intel"}),
        {"auto": ANY, "q8_0": ANY, "q6_k": ANY, "q5_k_m": ANY, "q4_k_m": ANY, "q3_k_m": ANY},
        {"auto": ANY, "q8_0": ANY},
        ranks=False,
    ),
}  # fmt: skip


class Rig(NamedTuple):
    """So many of one card; ``owned`` ones cost nothing more."""

    card: Card
    size: int
    owned: bool = False

    @property
    def name(self) -> str:
        """As ``--on`` takes it: ``2xrtx-4090``."""
        return f"{self.size}x{self.card.id}" if self.size > 1 else self.card.id


class Candidate(NamedTuple):
    """One way to run it: a rig, an engine, the formats and the layout of its ranks."""

    rig: Rig
    engine: str
    weights: str
    cache: str
    layout: Layout

    def deployment(self, base: Deployment, sequences: int) -> Deployment:
        """The deployment that it stands for, everything else as in ``base``.

        llama.cpp is given a slot for each of ``sequences``, and every layer on the cards.
        """
        served = ENGINES[_name(self.engine)].ranks
        ranks, layout = served and self.rig.size > 1, self.layout
        return base._replace(
            on=self.rig.name,
            engine=self.engine,
            weights=self.weights,
            kv_cache_dtype=self.cache,
            tensor_parallel_size=layout.tensor if ranks else None,
            pipeline_parallel_size=layout.pipeline if ranks and layout.pipeline > 1 else None,
            data_parallel_size=layout.data if ranks and layout.data > 1 else None,
            max_num_seqs=None if served else sequences,
            own={} if served else {"n_gpu_layers": "all"},
        )

    @property
    def said(self) -> str:
        """In a few words: ``2xl40s, vllm, w4a16, fp8 cache, tp 2``."""
        weights = "weights as stored" if self.weights == "auto" else self.weights
        parts = [self.rig.name, self.engine, weights]
        parts += [f"{self.cache} cache"] if self.cache != "auto" else []
        sizes = {"tp": self.layout.tensor, "pp": self.layout.pipeline, "dp": self.layout.data}
        if ENGINES[_name(self.engine)].ranks:
            parts += [" ".join(f"{k} {v}" for k, v in sizes.items() if v > 1)]
        return ", ".join(part for part in parts if part)


def _name(engine: str) -> str:
    return engine.partition("==")[0]


def rigs_named(on: str) -> tuple[Rig, ...]:
    """Cards that were named: a bare name in every count, ``2xh100`` as it stands."""
    found = []
    for item in on.split(","):
        machine = parse_machine(item)
        card, count = machine.devices[0], len(machine.devices)
        if machine.mixed:
            raise HardwareError(f"{item.strip()[:60]!r} mixes cards; name them with commas")
        bare = count == 1 and item.strip()[:1] != "1" and ":" not in item
        counts = _counts(card) if bare else (count,)
        found += [Rig(card, each) for each in counts]
    return tuple(dict.fromkeys(found))


def rigs_owned(owned: str) -> tuple[Rig, ...]:
    """Every number of cards that can be taken of each kind that one has."""
    have: dict[Card, int] = {}
    for item in owned.split(","):
        machine = parse_machine(item)
        for card in machine.devices:
            have[card] = have.get(card, 0) + 1
    return tuple(
        Rig(card, count, owned=True)
        for card, most in have.items()
        for count in sorted({*(c for c in COUNTS if c <= most), most})
    )


def rigs_of_table() -> tuple[Rig, ...]:
    """The cards of the table that somebody would choose among, in every count."""
    cards = (card for card in list_cards() if card.kind in KINDS)
    return tuple(Rig(card, count) for card in cards for count in _counts(card))


def _counts(card: Card) -> tuple[int, ...]:
    return (1,) if card.kind in {"unified", "laptop"} or card.vendor == "custom" else COUNTS


def candidates(
    rig: Rig, engines: Iterable[str], weights: str, cache: str, sequences: int, model: Model
) -> Iterator[Candidate]:
    """Every way to use a rig; ``weights`` and ``cache`` other than ``auto`` are fixed."""
    for engine in engines:
        runs = ENGINES[_name(engine)]
        if rig.card.vendor not in runs.vendors:
            continue
        for layout in layouts(rig.size, runs, sequences):
            for stored in _weights(runs, rig.card, weights, model):
                for kept in _cache(runs, rig.card, cache):
                    yield Candidate(rig, engine, stored, kept, layout)


def _weights(runs: Runs, card: Card, wanted: str, model: Model) -> list[str]:
    names = [name for name, least in runs.weights.items() if able(runs, card, name, least)]
    if wanted != "auto":
        return [wanted] if names else []
    return (
        _smaller(names, stated_format(model.quantization, model.id), ranks=runs.ranks)
        if (model.quantization)
        else names
    )


def _smaller(names: list[str], native: StorageFormat, *, ranks: bool) -> list[str]:
    """Formats worth making of weights that are quantized already: those of fewer bits.

    llama.cpp reads none of the native formats but converts them: MXFP4 as it is, fp8 to q8_0.
    """
    bits = native.bits_per_weight
    kept = bits + (1 if not ranks and native.name != "mxfp4" else -0.5)
    fewer = [n for n in names if n != "auto" and find_format(n).bits_per_weight < kept]
    first = "auto" if ranks else "mxfp4_moe" if native.name == "mxfp4" else None
    return [*([first] if first and names else []), *fewer]


def _cache(runs: Runs, card: Card, wanted: str) -> list[str]:
    if wanted != "auto":
        return [wanted]
    return [name for name, least in runs.cache.items() if able(runs, card, "auto", least)]


def able(runs: Runs, card: Card, weights: str, least: float) -> bool:
    """Whether a card has what an engine needs for a format."""
    if least == ANY:
        return True
    if card.vendor == "AMD":
        return weights in runs.amd and (card.compute_capability or "").startswith("gfx9")
    try:
        return float(card.compute_capability or 0) >= least
    except ValueError:
        return False


def layouts(count: int, runs: Runs, sequences: int) -> list[Layout]:
    """Ways to cut over ``count`` ranks: all tensor, all pipeline, replicas, and halves of each."""
    if not runs.ranks:
        return [Layout(pipeline=count)]
    tried = [Layout(count), Layout(1, count), Layout(1, 1, count)]
    if count >= 4:
        tried += [Layout(count // 2, 2), Layout(count // 2, 1, 2)]
    return [each for each in dict.fromkeys(tried) if each.data <= max(sequences, 1)]
