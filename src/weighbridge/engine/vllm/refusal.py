"""Why vLLM would not start, in the words of its errors.

The first check that fails speaks: the cache's type on this card, free memory at the start
(v1/worker/gpu_worker.py), any block at all, and one request of full length
(v1/core/kv_cache_planning.py, _check_enough_kv_cache_memory).
"""

from __future__ import annotations

from collections.abc import Sequence

from weighbridge.engine import Refusal
from weighbridge.engine.vllm import versions
from weighbridge.engine.vllm.budget import Rank
from weighbridge.engine.vllm.capacity import longest, needed, stage_bytes, usable_blocks
from weighbridge.engine.vllm.pool import blocks_of_request
from weighbridge.engine.vllm.setup import Setup
from weighbridge.units import GIB


def refusal(setup: Setup, ranks: Sequence[Rank], blocks: int) -> Refusal | None:
    """The refusal without a way out; None where the engine starts."""
    if not setup.cards:
        return None
    return (
        _cache_type(setup)
        or _startup(setup, ranks)
        or _loading(ranks)
        or _no_memory(setup, ranks, blocks)
        or _too_long(setup, ranks, blocks)
    )


def _cache_type(setup: Setup) -> Refusal | None:
    old = setup.capability is not None and setup.capability < versions.FP8_CACHE_CAPABILITY
    checked = setup.version >= versions.FP8_CACHE_CHECKED
    if not (old and checked and setup.cache.name == "fp8") or setup.capability is None:
        return None
    kind = "Triton MLA" if any(each.spec.latent for each in setup.placed) else "Triton attention"
    name = setup.cards[0].name
    shown = ".".join(map(str, setup.capability))
    return Refusal(
        f"FP8 KV cache is not supported by the {kind} backend on {name} (compute capability "
        f"{shown}); native FP8 requires compute capability 8.9 or more"
    )


def _startup(setup: Setup, ranks: Sequence[Rank]) -> Refusal | None:
    if not setup.v1 or setup.question.deployment.kv_cache_memory is not None:
        return None
    for rank in ranks:
        free = rank.card.usable_bytes - rank.context.low if rank.card else 0
        if rank.card is not None and rank.requested > free:
            return Refusal(
                f"Free memory on device ({free / GIB:.2f}/{rank.card.usable_bytes / GIB:.2f} GiB) "
                f"on startup is less than desired GPU memory utilization ({setup.utilization:g}, "
                f"{rank.requested / GIB:.2f} GiB). Decrease GPU memory utilization or reduce GPU "
                "memory used by other processes."
            )
    return None


def _loading(ranks: Sequence[Rank]) -> Refusal | None:
    """Weights that do not fit the card at all: torch raises before anything is profiled."""
    for rank in ranks:
        size = rank.loaded.total
        if rank.card is not None and size > rank.card.usable_bytes - rank.context.low:
            return Refusal(
                f"CUDA out of memory while loading: the weights of a rank take "
                f"{size / GIB:.2f} GiB and {rank.card.name} has "
                f"{rank.card.usable_bytes / GIB:.2f} GiB"
            )
    return None


def _no_memory(setup: Setup, ranks: Sequence[Rank], blocks: int) -> Refusal | None:
    if not setup.pool.groups or setup.own.get("num_gpu_blocks_override"):
        return None
    if min(rank.available for rank in ranks) > 0 and usable_blocks(setup, blocks) > 0:
        return None
    return Refusal(
        "No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when "
        "initializing the engine."
    )


def _too_long(setup: Setup, ranks: Sequence[Rank], blocks: int) -> Refusal | None:
    if not setup.pool.groups:
        return None
    wanted = blocks_of_request(setup.pool, setup.length, setup.taking)
    if wanted <= usable_blocks(setup, blocks):
        return None
    tight = min(ranks, key=lambda rank: rank.available // max(stage_bytes(setup, rank.stage), 1))
    most = longest(setup, blocks, setup.length)
    estimated = (
        f"Based on the available memory, the estimated maximum model length is {most}. "
        if most
        else ""
    )
    return Refusal(
        f"To serve at least one request with the model's max seq len ({setup.length}), "
        f"({needed(setup, tight.stage, setup.length) / GIB:.2f} GiB KV cache is needed, which is "
        f"larger than the available KV cache memory ({tight.available / GIB:.2f} GiB). {estimated}"
        "Try increasing `gpu_memory_utilization` or decreasing `max_model_len` when initializing "
        "the engine."
    )
