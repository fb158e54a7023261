"""How TensorRT-LLM spends a device: weights and buffers, then a share of what is free as cache.

``setup`` has what it decides, ``pool`` what a token takes and how many fit, ``terms`` the ledger of
a rank, ``log`` what it prints. The PyTorch backend profiles a step before it sizes the cache, the
TensorRT backend has allocated all of its buffers by then. Without a card there is no pool, and the
cache is what the workload needs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from weighbridge.engine import CacheFacts, Capacity, DeviceSpending, Question, Refusal, Spending
from weighbridge.engine.served import (
    RankWeights,
    Spread,
    largest,
    rank_weights,
    stage_of_layers,
    together,
)
from weighbridge.engine.tensorrt_llm import log, terms
from weighbridge.engine.tensorrt_llm.pool import (
    Group,
    Pool,
    groups,
    sequence_bytes,
    sequences,
    size_pool,
    state_bytes,
)
from weighbridge.engine.tensorrt_llm.setup import NEWEST, Setup, Version, set_up
from weighbridge.model.facts import Model
from weighbridge.term import Term

__all__ = ["NEWEST", "default_context", "spend"]

POOL_SOURCE = {
    "pytorch": "TensorRT-LLM _torch/pyexecutor/_util.py, KvCacheCreator; resource_manager.py (1.2, "
    "1.3): (total − peak of the profiling run) × free_gpu_memory_fraction",
    "tensorrt": "TensorRT-LLM docs, memory usage of TensorRT-LLM: free_gpu_memory_fraction of what "
    "is free once the engine and its buffers are there",
}


class Stage(NamedTuple):
    """One pipeline stage: weights, groups of layers, states, and, with a card, what is free."""

    number: int
    held: RankWeights
    groups: tuple[Group, ...]
    state: int
    free: Spread | None


def default_context(model: Model, version: Version) -> int | None:  # noqa: ARG001
    """TensorRT-LLM takes all positions of the model."""
    return model.max_positions


def spend(question: Question) -> Spending:
    """The terms of every device for a model served by TensorRT-LLM."""
    setup = set_up(question)
    stages = [_stage(setup, number) for number in range(setup.layout.pipeline)]
    pool = _tightest(setup, stages)
    tight = min(stages, key=lambda stage: stage.free.bytes if stage.free else 0)
    refused: Refusal | None = None
    said: tuple[str, ...] = ()
    if pool is not None and tight.free is not None:
        block = setup.block * sum(group.bytes for group in tight.groups)
        refused = log.refusal(setup, tight.free.bytes, block, pool, tight.state)
    first = stages[0]
    if pool is not None and refused is None and first.free is not None:
        before = terms.before_cache(setup, 0, first.held)
        said = log.lines(setup, before, first.held, first.free.bytes, pool, first.groups)
    return Spending(
        devices=tuple(_devices(setup, stages, pool)),
        cache=_cache_facts(setup),
        storage=setup.storage,
        notes=setup.notes,
        settings=setup.settings,
        capacity=_capacity(setup, pool, first),
        log=said,
        refusal=refused,
        layout=setup.layout,
    )


def _stage(setup: Setup, number: int) -> Stage:
    layers = stage_of_layers(setup.model, setup.layout.pipeline, number)
    held = rank_weights(setup.model, setup.storage, setup.mixers, setup.feed, number)
    stored = setup.model.stored
    if setup.as_stored and stored is not None and setup.feed.tensor * setup.layout.pipeline == 1:
        total = sum(tensor.nbytes for tensor in stored)
        held = RankWeights(Spread(total, total, total), held.weighed)
    tensor = setup.mixers.tensor
    free = None
    if setup.question.cards:
        free = _free(setup, number * setup.feed.tensor, held)
    return Stage(
        number, held, groups(setup, layers, tensor), state_bytes(setup, layers, tensor), free
    )


def _free(setup: Setup, device: int, held: RankWeights) -> Spread:
    """What is free when the cache is sized, less the activations that were profiled."""
    card = setup.question.cards[device]
    taken = together(terms.before_cache(setup, device, held))
    if setup.backend == "pytorch":
        taken = taken.plus(together([terms.profiled(setup, device)]))
    return Spread(
        card.usable_bytes - taken.bytes, card.usable_low - taken.high, card.usable_high - taken.low
    )


def _tightest(setup: Setup, stages: list[Stage]) -> Pool | None:
    """The pool that all ranks agree on: the fewest tokens."""
    pools = [
        size_pool(setup, stage.free.bytes, stage.groups, stage.state)
        for stage in stages
        if stage.free is not None and (stage.groups or stage.state)
    ]
    return min(pools, key=lambda pool: pool.tokens) if pools else None


def _devices(setup: Setup, stages: list[Stage], pool: Pool | None) -> list[DeviceSpending]:
    found = []
    for replica in range(setup.replicas):
        for stage in stages:
            for rank in range(setup.feed.tensor):
                place = (replica * len(stages) + stage.number) * setup.feed.tensor + rank
                found.append(_device(setup, stage, pool, place))
    return found


def _device(setup: Setup, stage: Stage, pool: Pool | None, device: int) -> DeviceSpending:
    before = terms.before_cache(setup, device, stage.held)
    cached = _cache(setup, stage, pool, device)
    return DeviceSpending(
        device,
        (*before, *cached),
        terms.passing(setup, device),
        _together(setup, stage, pool, device),
    )


def _together(setup: Setup, stage: Stage, pool: Pool | None, device: int) -> tuple[int, int] | None:
    """The least and the most of all terms: the cache takes a share of what the others leave, so
    that of what they vary by only the rest of that share moves the sum."""
    asked = setup.question.deployment.kv_cache_memory or setup.own.get("max_tokens")
    if pool is None or stage.free is None or asked or pool.tokens <= 0 or stage.free.low <= 0:
        return None
    card, left = setup.question.cards[device], 1 - setup.fraction
    passing = largest(together(each) for each in terms.passing(setup, device).values())
    planned = Spread(0, 0, 0)
    if setup.backend == "pytorch":
        planned = together([terms.profiled(setup, device)])
    least = card.usable_low - left * stage.free.high - planned.high
    most = card.usable_high - left * stage.free.low - planned.low
    return int(least) + passing.low, int(most) + passing.high


def _cache(setup: Setup, stage: Stage, pool: Pool | None, device: int) -> list[Term]:
    """The pool where a card was named, what the workload needs where none was."""
    basis, source = terms.facts_basis(setup), POOL_SOURCE[setup.backend]
    inputs: dict[str, Any] = {
        "bytes per token": sum(group.bytes for group in stage.groups),
        "block": setup.block,
    }
    if pool is None or stage.free is None:
        many = setup.question.concurrency
        size = many * sequence_bytes(setup, stage.groups, setup.question.tokens.cached)
        found = [Term("kv_cache", device, "resident", size, size, size, basis,
                      "sequences × tokens in whole blocks × bytes per token", inputs,
                      source)]  # fmt: skip
        states = setup.batch * stage.state
    else:
        size = sum(t * g.bytes for t, g in zip(pool.each, stage.groups, strict=False))
        ends = [size_pool(setup, int(end), stage.groups, stage.state).bytes
                for end in (stage.free.low, stage.free.high)]  # fmt: skip
        inputs |= {"free_gpu_memory_fraction": setup.fraction, "free": stage.free.bytes,
                   "tokens": pool.tokens}  # fmt: skip
        found = [Term("kv_cache", device, "resident", size, min(size, ends[0]), max(size, ends[1]),
                      basis, "tokens × bytes per token; tokens = free × fraction ÷ bytes per "
                      "token, in whole blocks", inputs, source)]  # fmt: skip
        states = pool.state
    if stage.state:
        found.append(
            Term("state", device, "resident", states, states, 2 * states, "assumed",
                 "max_batch_size × bytes of one sequence's states; twice that where they are fp32",
                 {"max_batch_size": setup.batch, "bytes a sequence": stage.state},
                 "TensorRT-LLM _torch/pyexecutor/mamba_cache_manager.py; the type is assumed")
        )  # fmt: skip
    return found


def _capacity(setup: Setup, pool: Pool | None, stage: Stage) -> Capacity | None:
    """Tokens of all replicas and data parallel ranks, and sequences of the settled length."""
    if pool is None:
        return None
    copies = setup.replicas * setup.data
    room = sequences(setup, stage.groups, pool, setup.question.tokens.cached)
    return Capacity(pool.tokens * copies, room * copies)


def _cache_facts(setup: Setup) -> CacheFacts:
    """Of the model as a whole: per token, and for a sequence of the settled length."""
    whole = groups(setup, setup.model.layers, 1)
    return CacheFacts(
        dtype=setup.cache.name,
        bytes_per_token=sum(group.bytes for group in whole if group.window is None),
        bytes_per_sequence=sequence_bytes(setup, whole, setup.question.tokens.cached),
        state_bytes_per_sequence=state_bytes(setup, setup.model.layers, 1),
        element_bytes=max(setup.cache.size // setup.cache.block, 1),
    )
