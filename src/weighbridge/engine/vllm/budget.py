"""The budget of each rank: utilization × total − weights − activations − outside torch − graphs.

Source: vllm v1/worker/gpu_worker.py, determine_available_memory (worker/worker.py in V0). The
identity holds within 0.011 GiB on every published run whose utilization is printed exactly.
"""

from __future__ import annotations

from math import ceil
from typing import Any, NamedTuple

from weighbridge.engine.sharding import stage_layers
from weighbridge.engine.vllm import activation as law
from weighbridge.engine.vllm.estimate import Estimate
from weighbridge.engine.vllm.overheads import graphs, graphs_estimated, outside_torch
from weighbridge.engine.vllm.setup import Setup
from weighbridge.engine.vllm.specs import layer_specs
from weighbridge.engine.vllm.weights import Loaded, loaded
from weighbridge.hardware.card import Card
from weighbridge.memory.context import Range, process_context


class Rank(NamedTuple):
    """One rank: its stage and card, what it holds, and what is left for the cache."""

    number: int
    stage: int
    card: Card | None
    loaded: Loaded
    activation: Estimate
    outside: Estimate
    graphs: Estimate
    estimated: Estimate
    context: Range
    state: int
    requested: int
    available: int
    low: int
    high: int


def ranks(setup: Setup) -> list[Rank]:
    """All ranks in device order: tensor fastest, then pipeline, then data."""
    layout = setup.layout
    made: dict[Any, Rank] = {}
    found = []
    for index in range(layout.ranks):
        stage = index // layout.tensor % layout.pipeline
        driver = index % layout.tensor == 0
        card = setup.cards[index] if setup.cards else None
        key = (stage, driver or setup.v1, card)
        if key not in made:
            made[key] = _rank(setup, stage, card, sampler=driver or setup.v1)
        found.append(made[key]._replace(number=index))
    return found


def _rank(setup: Setup, stage: int, card: Card | None, *, sampler: bool) -> Rank:
    mine = loaded(setup, stage)
    peak = law.activation(
        setup, first=stage == 0, last=stage == setup.layout.pipeline - 1, sampler=sampler
    )
    outside, planned = outside_torch(setup), graphs_estimated(setup)
    state = kept_states(setup, stage)
    requested = requested_bytes(card, setup.utilization)
    least, most = requested_bounds(card, setup.utilization)
    room = (
        requested - mine.total - peak.bytes - outside.bytes - planned.bytes - state,
        least - mine.high - peak.high - outside.high - planned.high - state,
        most - mine.low - peak.low - outside.low - planned.low - state,
    )
    fixed = setup.question.deployment.kv_cache_memory
    if fixed is not None:
        room = (fixed, fixed, fixed)
    context = process_context(card)
    return Rank(
        0, stage, card, mine, peak, outside, graphs(setup), planned, context, state, requested,
        *room,
    )  # fmt: skip


def kept_states(setup: Setup, stage: int) -> int:
    """V0 keeps recurrent states beside its blocks, for as many sequences as it admits.

    vLLM model_executor/models/mamba_cache.py (constant_size_cache.py), gone with V0.
    """
    if setup.v1:
        return 0
    layers = stage_layers(len(setup.model.layers), setup.layout.pipeline)[stage]
    pages = (
        spec.state
        for index in layers
        for spec in layer_specs(setup.model.layers[index], setup.form)
    )
    return setup.sequences * sum(pages)


def requested_bytes(card: Card | None, share: float) -> int:
    """``gpu_memory_utilization`` of what torch sees of the card."""
    return ceil(card.usable_bytes * share) if card else 0


def requested_bounds(card: Card | None, share: float) -> tuple[int, int]:
    """The same of the least and the most that torch may see of the card."""
    if card is None:
        return 0, 0
    return ceil(card.usable_low * share), ceil(card.usable_high * share)
