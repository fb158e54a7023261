"""From free bytes to blocks, tokens and concurrency, as the engine counts and prints them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from weighbridge.engine.sharding import stage_layers
from weighbridge.engine.vllm import versions
from weighbridge.engine.vllm.pool import blocks_of_request
from weighbridge.engine.vllm.setup import Setup


class Room(NamedTuple):
    """Blocks of the pool, what a request of full length takes, and the two printed figures."""

    blocks: Any
    per_request: Any
    tokens: Any
    concurrency: Any


def stage_bytes(setup: Setup, stage: int) -> int:
    """Bytes of one block on a rank of this stage; drafting layers stand on the last."""
    layers = stage_layers(len(setup.model.layers), setup.layout.pipeline)[stage]
    if stage == setup.layout.pipeline - 1:
        layers = range(layers.start, len(setup.model.layers) + len(setup.draft_layers))
    return setup.pool.bytes_per_block(layers)


def blocks_of(setup: Setup, available: Sequence[tuple[int, Any]]) -> Any:
    """Blocks of the pool: the fewest over (stage, bytes available)."""
    override = setup.own.get("num_gpu_blocks_override")
    if override:
        return int(override)
    counts = [
        max(size // stage_bytes(setup, stage), 0)
        for stage, size in available
        if stage_bytes(setup, stage)
    ]
    return min(counts, default=0)


def room(setup: Setup, blocks: Any, length: Any) -> Room:
    """What the pool holds for requests of ``length`` tokens."""
    per_request = blocks_of_request(setup.pool, length, setup.taking)
    if not setup.pool.groups:
        return Room(0, 0, 0, 0.0)
    concurrency = blocks / per_request
    return Room(blocks, per_request, _tokens(setup, blocks, concurrency, length), concurrency)


def _tokens(setup: Setup, blocks: Any, concurrency: Any, length: Any) -> Any:
    """The line "GPU KV cache size"; before 0.22 it is too low by the number of groups."""
    if setup.v1 and setup.version >= versions.TOKENS_BY_CONCURRENCY:
        return (
            int(concurrency * length)
            if isinstance(concurrency, float)
            else concurrency * length // 1
        )
    pool = setup.pool
    return blocks // len(pool.groups) * pool.block * setup.layout.context


def needed(setup: Setup, stage: int, length: Any) -> Any:
    """Bytes that one request of ``length`` takes on a rank."""
    return blocks_of_request(setup.pool, length, setup.taking) * stage_bytes(setup, stage)


def usable_blocks(setup: Setup, blocks: Any) -> Any:
    """Blocks that a request may count on: the null block is held back from 0.33 on."""
    return blocks - 1 if setup.version >= versions.NULL_BLOCK_HELD_BACK else blocks


def longest(setup: Setup, blocks: int, most: int) -> int:
    """The longest request that the blocks hold; 0 where none does."""
    free = usable_blocks(setup, blocks)
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if blocks_of_request(setup.pool, middle, setup.taking) <= free:
            low = middle
        else:
            high = middle - 1
    return low
