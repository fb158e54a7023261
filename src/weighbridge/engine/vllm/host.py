"""What vLLM takes of host memory: weights left there by ``cpu_offload_gb``, V0's swapped blocks."""

from __future__ import annotations

from collections.abc import Sequence

from weighbridge.engine import DeviceSpending
from weighbridge.engine.vllm.budget import Rank
from weighbridge.engine.vllm.ledger import facts_basis
from weighbridge.engine.vllm.log import cpu_blocks
from weighbridge.engine.vllm.setup import Setup
from weighbridge.term import Term, exact

HOST = -1


def host(setup: Setup, ranks: Sequence[Rank]) -> DeviceSpending | None:
    """The parts of all ranks together; None where nothing is left there."""
    terms = (*_offloaded(setup, ranks), *_swapped(setup, ranks))
    return DeviceSpending(HOST, terms, {"prefill": (), "decode": ()}) if terms else None


def _offloaded(setup: Setup, ranks: Sequence[Rank]) -> list[Term]:
    size = sum(rank.loaded.offloaded for rank in ranks)
    if not size:
        return []
    return [
        exact(
            "weights",
            size,
            device=HOST,
            basis=facts_basis(setup),
            formula="ranks × cpu_offload_gb, at most their weights",
            inputs={"ranks": len(ranks), "cpu_offload_gb": setup.own.get("cpu_offload_gb")},
            source="vllm model_executor/models/utils.py, maybe_offload_to_cpu",
        )
    ]


def _swapped(setup: Setup, ranks: Sequence[Rank]) -> list[Term]:
    size = cpu_blocks(setup) * setup.pool.bytes_per_block() * len(ranks)
    if setup.v1 or not size:
        return []
    return [
        exact(
            "kv_cache",
            size,
            device=HOST,
            basis=facts_basis(setup),
            formula="ranks × ⌊swap_space / bytes of a block⌋ blocks for preempted sequences",
            inputs={"ranks": len(ranks), "blocks": cpu_blocks(setup)},
            source="vllm worker/cache_engine.py (V0)",
        )
    ]
