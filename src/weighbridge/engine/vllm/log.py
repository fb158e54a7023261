"""The lines that vLLM would print after loading, in the words of its version."""

from __future__ import annotations

from weighbridge.engine import Refusal
from weighbridge.engine.vllm import versions
from weighbridge.engine.vllm.budget import Rank
from weighbridge.engine.vllm.capacity import Room
from weighbridge.engine.vllm.setup import Setup
from weighbridge.units import GIB

SWAP_GIB = 4


def lines(setup: Setup, rank: Rank, room: Room, refused: Refusal | None) -> tuple[str, ...]:
    """Of the rank that decides the number of blocks; a refusal ends them with its error."""
    if refused is not None:
        return (*_before(setup, rank), f"ValueError: {refused.message}")
    found = [_loading(setup, rank)]
    if setup.v1:
        found += _profiled(setup, rank)
        found += _padding(setup)
        found.append(f"GPU KV cache size: {room.tokens:,} tokens")
    else:
        found += _profiled_v0(setup, rank)
        found.append(f"# cuda blocks: {room.blocks}, # CPU blocks: {cpu_blocks(setup)}")
    found.append(
        f"Maximum concurrency for {setup.length:,} tokens per request: {room.concurrency:.2f}x"
    )
    return tuple(found)


def _before(setup: Setup, rank: Rank) -> list[str]:
    """What is still printed before the cache is refused."""
    if rank.card is None or rank.loaded.total > rank.card.usable_bytes:
        return []
    return [_loading(setup, rank), *(_profiled(setup, rank) if setup.v1 else [])]


def _gib(size: int, digits: int = 2) -> str:
    return f"{size / GIB:.{digits}f}"


def _loading(setup: Setup, rank: Rank) -> str:
    size = rank.loaded.total
    if setup.version >= versions.SHORT_LINES:
        return f"Model loading took {_gib(size)} GiB memory"
    if setup.version >= versions.V1:
        return f"Model loading took {_gib(size, 4)} GiB"
    return f"Loading model weights took {_gib(size, 4)} GB"


def _profiled(setup: Setup, rank: Rank) -> list[str]:
    found = []
    step = setup.pool.attention_block
    if step and step != setup.block:
        found.append(f"Setting attention block size to {step} tokens")
    found.append(f"Available KV cache memory: {_gib(rank.available)} GiB")
    if rank.estimated.bytes and rank.card is not None:
        without = setup.utilization - rank.estimated.bytes / rank.card.usable_bytes
        found.append(
            f"The current --gpu-memory-utilization={setup.utilization:.4f} is equivalent to "
            f"--gpu-memory-utilization={without:.4f} without CUDA graph memory profiling"
        )
    return found


def _padding(setup: Setup) -> list[str]:
    return [
        f"Add {missing} padding layers, may waste at most {100 * missing / layers:.2f}% KV cache "
        "memory"
        for missing, layers in setup.pool.padding
    ]


def _profiled_v0(setup: Setup, rank: Rank) -> list[str]:
    total = rank.card.usable_bytes if rank.card else 0
    return [
        f"the current vLLM instance can use total_gpu_memory ({_gib(total)}GiB) x "
        f"gpu_memory_utilization ({setup.utilization:.2f}) = {_gib(rank.requested)}GiB",
        f"model weights take {_gib(rank.loaded.total)}GiB; "
        f"non_torch_memory takes {_gib(rank.outside.bytes)}GiB; PyTorch activation peak memory "
        f"takes {_gib(rank.activation.bytes)}GiB; the rest of the memory reserved for KV Cache is "
        f"{_gib(rank.available)}GiB.",
    ]


def cpu_blocks(setup: Setup) -> int:
    """Blocks in host memory for preempted sequences: ``swap_space``, 4 GiB by default in V0."""
    swap = setup.own.get("swap_space")
    size = int((SWAP_GIB if swap is None else float(swap)) * GIB)
    return size // max(setup.pool.bytes_per_block(), 1)
