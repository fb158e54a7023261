"""How SGLang spends a device: weights, then pools of what a fixed share of the card leaves, then
graphs and workspaces in the rest.

``fraction`` has the share by version, ``cells`` what a token and a sequence take, ``pool`` how
pools are sized, ``terms`` the ledger of a rank, ``log`` what it prints. Without a card there is no
pool, and the cache is what the workload needs.
"""

from __future__ import annotations

from typing import NamedTuple

from weighbridge.engine import CacheFacts, Capacity, DeviceSpending, Question, Refusal, Spending
from weighbridge.engine.served import RankWeights, Spread, rank_weights, stage_of_layers, together
from weighbridge.engine.sglang import cells, log, terms, versions
from weighbridge.engine.sglang.cells import Cells, Slot
from weighbridge.engine.sglang.pool import (
    Budget,
    Pool,
    context_length,
    running_requests,
    sequence_bytes,
    size_pool,
    sliding_ratio,
)
from weighbridge.engine.sglang.setup import Setup, set_up
from weighbridge.engine.sglang.versions import NEWEST
from weighbridge.model.facts import Model
from weighbridge.term import Phase, Term
from weighbridge.units import ceil_div, minimum

__all__ = ["NEWEST", "default_context", "spend"]

POOL_SOURCE = (
    "SGLang model_executor/model_runner.py, profile_max_num_token (0.4), pool_configurator.py "
    "(0.5.23): free after loading − free before × (1 − mem_fraction_static)"
)


class Stage(NamedTuple):
    """One pipeline stage: its weights, cells, slot, and, with a card, its budget."""

    number: int
    held: RankWeights
    cells: Cells
    slot: Slot
    budget: Budget | None = None
    bounds: tuple[Budget, Budget] | None = None


def default_context(model: Model, version: versions.Version) -> int | None:  # noqa: ARG001
    """SGLang takes all positions of the model."""
    return model.max_positions


def spend(question: Question) -> Spending:
    """The terms of every device for a model served by SGLang."""
    setup = set_up(question)
    stages = [_stage(setup, number) for number in range(setup.layout.pipeline)]
    pool = _tightest(setup, stages)
    refused = None if pool is None else _refusal(setup, stages, pool)
    said: tuple[str, ...] = ()
    if pool is not None and refused is None:
        said = log.lines(setup, stages[0].budget, pool, stages[0].cells, stages[0].slot)
    return Spending(
        devices=tuple(_devices(setup, stages, pool)),
        cache=_cache_facts(setup),
        storage=setup.storage,
        notes=setup.notes,
        settings=_settings(setup, pool),
        capacity=_capacity(setup, pool, stages),
        log=said,
        refusal=refused,
        layout=setup.layout,
    )


def _settings(setup: Setup, pool: Pool | None) -> dict[str, str]:
    return {**setup.settings, "max_num_seqs": str(_requests(setup, pool))}


def _requests(setup: Setup, pool: Pool | None) -> int:
    """Running requests; without a card the fewest that SGLang takes by itself."""
    return pool.requests if pool and pool.requests else running_requests(setup, 0)


def _stage(setup: Setup, number: int) -> Stage:
    layers = stage_of_layers(setup.model, setup.layout.pipeline, number)
    held = rank_weights(setup.model, setup.storage, setup.mixers, setup.feed, number)
    held = _as_stored(setup, held)
    found = cells.draft_cells(setup, cells.cells(setup, layers, setup.mixers.tensor))
    slot = cells.slot(setup, layers, setup.mixers.tensor)
    if not setup.question.cards:
        return Stage(number, held, found, slot)
    device = number * setup.feed.tensor
    before = terms.free_before(setup, device)
    loaded = _loaded(setup, device, held)
    return Stage(
        number,
        held,
        found,
        slot,
        Budget(before.bytes, before.bytes - loaded.bytes),
        (
            Budget(before.low, before.low - loaded.high),
            Budget(before.high, before.high - loaded.low),
        ),
    )


def _as_stored(setup: Setup, held: RankWeights) -> RankWeights:
    """The headers' own bytes where one rank loads the files as they are."""
    stored = setup.model.stored
    if not setup.as_stored or stored is None or setup.layout.tensor * setup.layout.pipeline > 1:
        return held
    total = sum(tensor.nbytes for tensor in stored)
    return RankWeights(Spread(total, total, total), held.weighed)


def _loaded(setup: Setup, device: int, held: RankWeights) -> Spread:
    """What loading takes before the pool is sized; drafts came after it in older versions."""
    found = [terms.weights(setup, device, held), terms.loaded(device)]
    if setup.version >= versions.DRAFT_COUNTED:
        found += terms.draft(setup, device)
    return together(found)


def _tightest(setup: Setup, stages: list[Stage]) -> Pool | None:
    """The pool that all stages agree on: the fewest tokens and slots."""
    pools = [
        size_pool(setup, stage.budget, stage.cells, stage.slot)
        for stage in stages
        if stage.budget and (stage.cells.full or stage.cells.windowed or stage.slot.total)
    ]
    return min(pools, key=lambda pool: (pool.tokens, pool.slots)) if pools else None


def _devices(setup: Setup, stages: list[Stage], pool: Pool | None) -> list[DeviceSpending]:
    found = []
    for replica in range(setup.replicas):
        for stage in stages:
            for rank in range(setup.feed.tensor):
                place = (replica * len(stages) + stage.number) * setup.feed.tensor + rank
                found.append(_device(setup, stage, pool, place))
    return found


def _device(setup: Setup, stage: Stage, pool: Pool | None, device: int) -> DeviceSpending:
    held = [terms.weights(setup, device, stage.held), *terms.draft(setup, device)]
    before = [*terms.context(setup, device), *held, terms.loaded(device)]
    after = terms.after(setup, device, _requests(setup, pool))
    phases: dict[Phase, tuple[Term, ...]] = {
        "prefill": tuple(terms.prefill(setup, device)),
        "decode": tuple(terms.decode(setup, device)),
    }
    always = (*before, *_cache(setup, stage, pool, device), *after)
    return DeviceSpending(device, always, phases, _together(setup, stage, pool, device))


def _together(setup: Setup, stage: Stage, pool: Pool | None, device: int) -> tuple[int, int] | None:
    """The least and the most of all terms: the pool takes what the weights leave of a fixed share,
    so that only the context and what follows the pool move the sum."""
    if pool is None or stage.budget is None:
        return None
    own = size_pool(setup, stage.budget, stage.cells, stage.slot)
    if pool.rest <= 0 or own.tokens != pool.tokens or setup.own.get("max_total_tokens"):
        return None
    card, left = setup.question.cards[device], 1 - setup.fraction
    taken = together(terms.context(setup, device))
    after = together(terms.after(setup, device, pool.requests))
    if setup.version < versions.DRAFT_COUNTED:
        after = after.plus(together(terms.draft(setup, device)))
    passing = terms.passing(setup, device)
    low = setup.fraction * card.usable_low + left * taken.low + after.low
    high = setup.fraction * card.usable_high + left * taken.high + after.high
    return int(low) + passing.low, int(high) + passing.high


def _cache(setup: Setup, stage: Stage, pool: Pool | None, device: int) -> list[Term]:
    """The pools where a card was named, what the workload needs where none was."""
    if pool is None:
        return _needed_terms(setup, stage, device)
    bounds = [_bound(setup, stage, budget) for budget in stage.bounds or ()]
    size = log.kv_bytes(pool, stage.cells, setup.page)
    spread = (min(size, bounds[0][0]), max(size, bounds[1][0]))
    inputs = {
        "mem_fraction_static": round(setup.fraction, 4),
        "free before loading": stage.budget.before if stage.budget else 0,
        "free after loading": stage.budget.after if stage.budget else 0,
        "bytes per token": stage.cells.full_bytes,
        "tokens": pool.tokens,
    }
    formula = "(tokens + page) × bytes per token; tokens = rest ÷ bytes per token"
    if stage.cells.windowed:
        inputs["bytes per token of layers with a window"] = stage.cells.windowed_bytes
        inputs["their tokens"] = pool.windowed
        inputs["swa_full_tokens_ratio"] = sliding_ratio(setup)
        formula += ", windows in a pool of their own"
    found = [
        Term("kv_cache", device, "resident", size, *spread, terms.facts_basis(setup), formula,
             inputs, POOL_SOURCE)
    ]  # fmt: skip
    if pool.slots:
        state = pool.state + pool.verify
        found.append(
            Term(
                "state",
                device,
                "resident",
                state,
                min(state, bounds[0][1]),
                max(state, bounds[1][1]),
                terms.facts_basis(setup),
                "(slots + 1) × bytes of one sequence's states, and (requests + 1) × draft tokens "
                "× the same to verify drafts",
                {"slots": pool.slots, "bytes a slot": stage.slot.total, "verify": pool.verify},
                "SGLang handle_max_mamba_cache; mem_cache/memory_pool.py, MambaPool",
            )
        )
    return found


def _bound(setup: Setup, stage: Stage, budget: Budget) -> tuple[int, int]:
    pool = size_pool(setup, budget, stage.cells, stage.slot)
    return log.kv_bytes(pool, stage.cells, setup.page), pool.state + pool.verify


def _needed_terms(setup: Setup, stage: Stage, device: int) -> list[Term]:
    """Without a card: cache and state of the sequences at once."""
    tokens, sequences = setup.question.tokens.cached, setup.question.concurrency
    size = sequences * sequence_bytes(setup, stage.cells, tokens)
    basis = terms.facts_basis(setup)
    found = [
        Term("kv_cache", device, "resident", size, size, size, basis,
             "sequences × tokens in whole pages × bytes per token",
             {"bytes per token": stage.cells.full_bytes, "page": setup.page}, POOL_SOURCE)
    ]  # fmt: skip
    if stage.slot.total:
        state = sequences * stage.slot.total
        found.append(
            Term("state", device, "resident", state, state, 3 * state, basis,
                 "sequences × bytes of one sequence's states; the prefix cache keeps up to three",
                 {"bytes a slot": stage.slot.total}, "SGLang configs/mamba_utils.py")
        )  # fmt: skip
    return found


def _one_sequence(setup: Setup, stages: list[Stage]) -> int:
    """The most bytes that one sequence of the whole context takes of a rank."""
    length = context_length(setup)
    return max(int(sequence_bytes(setup, stage.cells, length)) + 4 * stage.slot.total
               for stage in stages)  # fmt: skip


def _capacity(setup: Setup, pool: Pool | None, stages: list[Stage]) -> Capacity | None:
    """Tokens of all replicas and data parallel ranks, and sequences of the settled length."""
    if pool is None:
        return None
    copies = setup.replicas * setup.data
    tokens = setup.question.tokens.cached
    page = setup.page
    room = pool.tokens / (ceil_div(tokens, page) * page)
    if stages[0].cells.windowed and pool.windowed:
        near = minimum(ceil_div(tokens, page) * page, stages[0].cells.window + page)
        room = minimum(room, pool.windowed / near)
    if pool.requests:
        room = minimum(room, pool.requests)
    return Capacity(pool.tokens * copies, room * copies)


def _cache_facts(setup: Setup) -> CacheFacts:
    """Of the model as a whole: per token, and for a sequence of the settled length."""
    whole = cells.cells(setup, setup.model.layers, 1)
    slot = cells.slot(setup, setup.model.layers, 1)
    return CacheFacts(
        dtype=setup.cache.name,
        bytes_per_token=whole.full_bytes,
        bytes_per_sequence=sequence_bytes(setup, whole, setup.question.tokens.cached),
        state_bytes_per_sequence=slot.total,
        element_bytes=max(setup.cache.size // setup.cache.block, 1),
    )


def _refusal(setup: Setup, stages: list[Stage], pool: Pool) -> Refusal | None:
    tightest = min((stage for stage in stages if stage.budget), key=_free)
    return log.refusal(setup, tightest.budget, pool, tightest.slot, _one_sequence(setup, stages))


def _free(stage: Stage) -> int:
    return stage.budget.after if stage.budget else 0
