"""Random weights at a model's real shape: in memory, or as a checkpoint that is loaded like any.

Values are drawn once and repeated: a product takes as long with them, and a model of billions of
parameters is filled as fast as memory is written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from weighbridge.trace.build import build, give_storage
from weighbridge.trace.question import Question

BLOCK = 1 << 20
SHARD = 256 * 2**20
STANDARD_DEVIATION = 0.02
Said = Callable[[int, int], None]


def fill(tensor: torch.Tensor, mean: float = 0.0, std: float = 1.0) -> torch.Tensor:
    """Normal values in place: one block of them, repeated."""
    with torch.no_grad():
        if not tensor.is_contiguous() or tensor.numel() <= BLOCK:
            return _normal(tensor, mean, std)
        flat = tensor.detach().view(-1)
        _normal(flat[:BLOCK], mean, std)
        done = BLOCK
        while done < flat.numel():
            count = min(done, flat.numel() - done)
            flat[done : done + count].copy_(flat[:count])
            done += count
    return tensor


_normal = torch.Tensor.normal_


@contextmanager
def quick_normal() -> Iterator[None]:
    """Within the block, initialising a module draws a block of values only."""

    def normal_(self: Any, mean: float = 0.0, std: float = 1.0, **_: Any) -> Any:
        return fill(self, mean, std)

    torch.Tensor.normal_ = normal_  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        torch.Tensor.normal_ = _normal  # type: ignore[method-assign]


def random_model(question: Question, device: str) -> nn.Module:
    """The model of a question on a device with random weights, adapters included."""
    model = build(question)
    give_storage(model, device)
    base: Any = model.get_base_model() if hasattr(model, "get_base_model") else model  # type: ignore[operator]
    with quick_normal():
        base.init_weights()
    base.tie_weights()
    return model


def write_checkpoint(question: Question, folder: str, said: Said | None = None) -> int:
    """A checkpoint of random weights in a folder, a shard at a time; returns its bytes."""
    from safetensors.torch import save_file

    model = build(question)
    tensors = [*model.named_parameters(), *_kept_buffers(model)]
    total = sum(each.numel() * each.element_size() for _, each in tensors)
    where: dict[str, str] = {}
    done = 0
    for number, shard in enumerate(_shards(tensors)):
        name = f"model-{number:05d}.safetensors"
        values = {key: _values(key, like) for key, like in shard}
        save_file(values, os.path.join(folder, name), metadata={"format": "pt"})
        done += sum(each.numel() * each.element_size() for each in values.values())
        where |= dict.fromkeys(values, name)
        if said is not None:
            said(done, total)
    index = {"metadata": {"total_size": total}, "weight_map": where}
    with open(os.path.join(folder, "model.safetensors.index.json"), "w", encoding="utf-8") as file:
        json.dump(index, file)
    model.config.architectures = [type(model).__name__]  # type: ignore[union-attr]
    model.config.save_pretrained(folder)  # type: ignore[union-attr, operator]
    return total


def _kept_buffers(model: nn.Module) -> list[tuple[str, torch.Tensor]]:
    """Buffers that a checkpoint holds, which a state dict names."""
    names = set(model.state_dict())
    return [(name, each) for name, each in model.named_buffers() if name in names]


def _shards(
    tensors: list[tuple[str, torch.Tensor]],
) -> Iterator[list[tuple[str, torch.Tensor]]]:
    shard: list[tuple[str, torch.Tensor]] = []
    held = 0
    for name, tensor in tensors:
        size = tensor.numel() * tensor.element_size()
        if shard and held + size > SHARD:
            yield shard
            shard, held = [], 0
        shard.append((name, tensor))
        held += size
    if shard:
        yield shard


def _values(name: str, like: torch.Tensor) -> torch.Tensor:
    """Small normal values for matrices, ones for norms, zeros for the rest."""
    made = torch.zeros(like.shape, dtype=like.dtype)
    if like.dim() >= 2 and like.is_floating_point():
        return fill(made, std=STANDARD_DEVIATION)
    if like.is_floating_point() and name.endswith("weight"):
        made.fill_(1.0)
    return made
