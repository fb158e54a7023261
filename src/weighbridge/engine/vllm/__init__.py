"""How vLLM spends a device: a fixed share of it is requested at the start, and what weights,
activations and graphs leave of that share becomes one pool of cache blocks.

The engine's settings are resolved in ``setup``, its versions are a table in ``versions``; the
budget of a rank is in ``budget``, the pool in ``specs`` and ``pool``, what it holds in
``capacity``, what would be printed in ``log`` and ``refusal``.
"""

from __future__ import annotations

from typing import Any

from weighbridge.engine import (
    CacheFacts,
    Capacity,
    DeviceSpending,
    Question,
    Refusal,
    Spending,
)
from weighbridge.engine.vllm.budget import Rank, ranks
from weighbridge.engine.vllm.capacity import (
    Room,
    blocks_of,
    longest,
    needed,
    room,
    stage_bytes,
)
from weighbridge.engine.vllm.host import host
from weighbridge.engine.vllm.ledger import device
from weighbridge.engine.vllm.log import lines
from weighbridge.engine.vllm.pool import blocks_of_request
from weighbridge.engine.vllm.refusal import refusal
from weighbridge.engine.vllm.remedy import shorter, with_way_out
from weighbridge.engine.vllm.setup import Setup
from weighbridge.engine.vllm.versions import NEWEST, Version
from weighbridge.model.facts import Model
from weighbridge.options import AUTO

__all__ = ["NEWEST", "default_context", "spend"]


def default_context(model: Model, version: Version) -> int | None:  # noqa: ARG001
    """vLLM takes all positions of the model (config/model.py, _get_and_verify_max_len)."""
    return model.max_positions


def spend(question: Question) -> Spending:
    """The terms of every rank, the pool, the lines of the log, and a refusal with a way out."""
    spending, setup, blocks = _spend(question)
    if question.deployment.max_model_len == AUTO and setup.cards:
        question, line = _fitted(setup, blocks)
        spending, setup, blocks = _spend(question)
        log = (*spending.log[:-2], line, *spending.log[-2:]) if spending.log else (line,)
        spending = spending._replace(tokens=question.tokens, log=log)
    if spending.refusal is None:
        return spending
    refused = with_way_out(setup, spending.refusal, blocks, lambda asked: _spend(asked)[0])
    return spending._replace(refusal=refused)


def _fitted(setup: Setup, blocks: int) -> tuple[Question, str]:
    """``max_model_len auto``: the longest that fits, and the line that says so.

    vllm v1/core/kv_cache_planning.py, _auto_fit_max_model_len.
    """
    fitting = longest(setup, blocks, setup.length) or setup.length
    line = (
        f"Auto-fit max_model_len: full model context length {setup.length} fits in available "
        "GPU memory"
        if fitting == setup.length
        else f"Auto-fit max_model_len: reduced from {setup.length} to {fitting} to fit in "
        "available GPU memory"
    )
    asked = shorter(setup, fitting).question
    if int(setup.question.tokens.cached) <= fitting:
        asked = asked._replace(tokens=setup.question.tokens)
    return asked, line


def _spend(question: Question) -> tuple[Spending, Setup, int]:
    setup = Setup(question)
    found = ranks(setup)
    blocks: Any = 0
    if setup.cards:
        blocks = blocks_of(setup, [(rank.stage, rank.available) for rank in found])
    refused = refusal(setup, found, blocks)
    full = room(setup, blocks, setup.length)
    spending = Spending(
        devices=tuple(_device(setup, rank, blocks, refused) for rank in found),
        cache=_facts(setup),
        storage=setup.storage,
        notes=tuple(setup.notes),
        settings=setup.settings,
        capacity=_capacity(setup, blocks, full),
        log=_log(setup, found, full, refused),
        refusal=refused,
        layout=setup.layout,
        host=host(setup, found) if setup.cards else None,
    )
    return spending, setup, blocks


def _device(setup: Setup, rank: Rank, blocks: Any, refused: Refusal | None) -> DeviceSpending:
    page = stage_bytes(setup, rank.stage)
    if setup.cards and refused is None:
        return device(setup, rank, blocks, blocks * page, filled=True)
    per_request = blocks_of_request(setup.pool, setup.question.tokens.cached, setup.taking)
    wanted = per_request * setup.question.concurrency
    return device(setup, rank, wanted, wanted * page, filled=False)


def _facts(setup: Setup) -> CacheFacts:
    """What the cache of one replica costs, all its ranks together: a latent is on each of them."""
    stages, tensor = range(setup.layout.pipeline), setup.layout.tensor
    held = setup.question.tokens.cached
    tokens = sum(p.spec.token for p in setup.placed if p.spec.kind == "full")
    element = max(int(setup.cache.bytes_of(1024) // 1024), 1)
    return CacheFacts(
        dtype=setup.cache.name,
        bytes_per_token=tokens * tensor // setup.layout.context,
        bytes_per_sequence=tensor * sum(needed(setup, stage, held) for stage in stages),
        state_bytes_per_sequence=tensor * sum(p.spec.state for p in setup.placed),
        element_bytes=element,
    )


def _capacity(setup: Setup, blocks: Any, full: Room) -> Capacity:
    """Tokens as printed, and sequences of the settled length, over all replicas."""
    if not setup.cards or not setup.pool.groups:
        return Capacity(None, None)
    settled = room(setup, blocks, setup.question.tokens.cached)
    replicas = setup.layout.data
    return Capacity(full.tokens * replicas, settled.concurrency * replicas)


def _log(setup: Setup, found: list[Rank], full: Room, refused: Refusal | None) -> tuple[str, ...]:
    """As far as the engine would get."""
    if not setup.cards or not setup.pool.groups:
        return ()
    tight = min(found, key=lambda rank: rank.available // max(stage_bytes(setup, rank.stage), 1))
    return lines(setup, tight, full, refused)
