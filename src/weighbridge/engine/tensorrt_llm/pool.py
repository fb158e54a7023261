"""TensorRT-LLM's cache: what a token takes on a rank, and the blocks that free memory makes.

``available = (total − peak of the profiling run) × free_gpu_memory_fraction`` in the PyTorch
backend (``_torch/pyexecutor/_util.py``, KvCacheCreator), the same share of what is free once the
engine and its buffers are there in the TensorRT backend. Tokens are that over the bytes of one, in
whole blocks, rounded up (``resource_manager.py``); layers of different windows share the bytes in
equal parts (``calculate_max_num_blocks_for_vswa``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from weighbridge.engine.served import rank_state, rank_streams, stream_bytes
from weighbridge.engine.tensorrt_llm.setup import Setup
from weighbridge.model.facts import Layer
from weighbridge.units import ceil_div, minimum


class Group(NamedTuple):
    """Layers of one window (None for those that keep every token): bytes per token of a rank."""

    window: int | None
    bytes: int
    layers: int


class Pool(NamedTuple):
    """Bytes for the cache, tokens of each group, and states of ``batch`` sequences.

    ``tokens`` are those of the widest group.
    """

    available: int
    bytes: int
    tokens: int
    each: tuple[int, ...] = ()
    state: int = 0


def groups(setup: Setup, layers: Iterable[Layer], tensor: int) -> tuple[Group, ...]:
    """Layers by window, the widest first; one group where windows have no pools of their own."""
    found: dict[int | None, tuple[int, int]] = {}
    for layer in layers:
        streams = rank_streams(layer, tensor)
        if not streams:
            continue
        window = streams[0].window if setup.windows_apart else None
        size, count = found.get(window, (0, 0))
        mine = sum(ceil_div(stream_bytes(each, setup.cache), each.stride) for each in streams)
        found[window] = (size + mine, count + 1)
    if len(found) == 1:
        found = {None: next(iter(found.values()))}
    ordered = sorted(found, key=lambda window: -(window or 1 << 60))
    return tuple(Group(window, *found[window]) for window in ordered)


def state_bytes(setup: Setup, layers: Iterable[Layer], tensor: int) -> int:
    """States of one sequence, all in the type of the activations (mamba_ssm_cache_dtype auto)."""
    convolution, recurrence = rank_state(layers, tensor).bytes(setup.element, setup.element)
    return convolution + recurrence


def size_pool(setup: Setup, free: int, found: tuple[Group, ...], state: int) -> Pool:
    """The blocks of a rank of which ``free`` bytes are left when it sizes its cache."""
    available = int(free * setup.fraction)
    asked = setup.question.deployment.kv_cache_memory
    if asked is not None:
        available = min(available, asked)
    states = state * setup.batch
    left = available - states
    if left <= 0 or not found:
        return Pool(available, 0, 0, (), states)
    most = setup.own.get("max_tokens")
    share = left // len(found)
    whole = len(found) == 1
    each = tuple(_tokens(setup, share, group, most, up=whole) for group in found)
    size = sum(tokens * group.bytes for tokens, group in zip(each, found, strict=True))
    return Pool(available, size, each[0], each, states)


def _tokens(setup: Setup, share: int, group: Group, most: int | None, *, up: bool) -> int:
    tokens = share // group.bytes
    if most is not None:
        tokens = min(tokens, most)
    blocks = ceil_div(tokens, setup.block) if up else tokens // setup.block
    return int(blocks * setup.block)


def kept(setup: Setup, group: Group, tokens: Any) -> Any:
    """Tokens of one sequence that a group keeps, in whole blocks."""
    whole = ceil_div(tokens, setup.block) * setup.block
    if group.window is None:
        return whole
    return minimum(whole, (ceil_div(group.window, setup.block) + 1) * setup.block)


def sequence_bytes(setup: Setup, found: tuple[Group, ...], tokens: Any) -> Any:
    """Bytes of one sequence's keys and values on a rank."""
    size: Any = 0
    for group in found:
        size = size + kept(setup, group, tokens) * group.bytes
    return size


def sequences(setup: Setup, found: tuple[Group, ...], pool: Pool, tokens: Any) -> Any:
    """Sequences of a length that the pool holds at once, at most the batch."""
    room: Any = setup.batch if not found or pool.each else 0
    for group, held in zip(found, pool.each, strict=False):
        room = minimum(room, held / kept(setup, group, tokens))
    return room
