"""What FSDP of PyTorch 2.2 leaves in the caching allocator when it wraps a model from the CPU.

``FullyShardedDataParallel(sync_module_states=True, device_id=…)`` wraps the innermost units first.
For each it moves the parameters to the card one by one (_move_states_to_device), broadcasts them in
buckets of 250 MiB, of which two may be alive (_init_utils.PARAM_BROADCAST_BUCKET_SIZE;
broadcast_coalesced in c10d/reducer.cpp, where a bucket of one tensor is not copied), and copies all
of them into one flat parameter (FlatParamHandle.flatten_tensors). The pieces are freed, but their
segments stay reserved through training.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn

BUCKET = 250 * 1024 * 1024
IN_FLIGHT = 2


class Place(NamedTuple):
    """Where a parameter hangs."""

    module: nn.Module
    name: str


def wrap(model: nn.Module, is_unit: Callable[[nn.Module], bool], ranks: int = 1) -> None:
    """Flatten each unit and last the root; of many ranks' keep this one's part."""
    done: set[int] = set()
    _wrap_within(model, is_unit, ranks, done)
    _flatten(_places(model, done), ranks, done)


def _wrap_within(
    module: nn.Module, is_unit: Callable[[nn.Module], bool], ranks: int, done: set[int]
) -> None:
    for child in module.children():
        _wrap_within(child, is_unit, ranks, done)
        if is_unit(child):
            _flatten(_places(child, done), ranks, done)


def _places(module: nn.Module, done: set[int]) -> list[Place]:
    """The parameters of a module that no unit inside it has taken."""
    return [
        Place(part, name)
        for part in module.modules()
        for name, parameter in part._parameters.items()
        if parameter is not None and id(parameter) not in done
    ]


def _flatten(places: list[Place], ranks: int, done: set[int]) -> None:
    """Move, broadcast, and copy into one flat parameter, of which the parameters become views."""
    if not places:
        return
    old = [place.module._parameters[place.name] for place in places]
    kept = [each for each in old if each is not None]
    pieces = [torch.empty(each.nbytes, dtype=torch.uint8) for each in kept]
    _broadcast(pieces)
    flat = torch.cat(pieces)
    del pieces
    if ranks > 1:
        done.update(map(id, kept))
        places[0].module.register_buffer("flat", flat[: -(-flat.numel() // ranks)].clone())
        return
    start = 0
    for place, like in zip(places, kept, strict=True):
        view = flat[start : start + like.nbytes].view(like.dtype).view(like.shape)
        parameter = nn.Parameter(view, requires_grad=like.requires_grad)
        place.module._parameters[place.name] = parameter
        done.add(id(parameter))
        start += like.nbytes


def _broadcast(pieces: list[Any]) -> None:
    """Buckets, each closed by the tensor that fills it."""
    flying: deque[Any] = deque()
    bucket: list[Any] = []
    for number, piece in enumerate(pieces):
        bucket.append(piece)
        full = sum(each.nbytes for each in bucket) >= BUCKET
        if full or number == len(pieces) - 1:
            if len(flying) >= IN_FLIGHT:
                flying.popleft()
            flying.append(torch.cat(bucket) if len(bucket) > 1 else bucket[0])
            bucket = []
