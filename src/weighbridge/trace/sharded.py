"""FSDP2 over N ranks, traced as rank 0 with a process group that sends nothing.

Parameters are kept in fp32 and gathered in the computing type, gradients are reduced in fp32, as
torchtitan's mixed precision does; each decoder layer is one unit, the rest (embedding, norm, head)
is the root's. All-gather and reduce-scatter buffers appear as ordinary storages.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from weighbridge.errors import ConfigError
from weighbridge.records import replace
from weighbridge.trace.build import build, give_storage
from weighbridge.trace.log import Log
from weighbridge.trace.measure import CUBLAS_WORKSPACE
from weighbridge.trace.passes import fake_world, run_pass
from weighbridge.trace.patches import real_roads, replaced
from weighbridge.trace.question import DTYPES, Question
from weighbridge.trace.tracker import StorageTracker


def trace_sharded(question: Question) -> tuple[Log, nn.Module]:
    """The log of one rank's training steps."""
    model = build(replace(question, dtype="fp32"))
    with ExitStack() as stack:
        mesh = stack.enter_context(fake_ranks(question.ranks))
        stack.enter_context(fake_world(fake=True))
        stack.enter_context(real_roads(question.target, question.attention_kernel))
        give_storage(model)
        shard(model, mesh, getattr(torch, DTYPES[question.dtype]))
        workspace = CUBLAS_WORKSPACE if question.target == "cuda" else 0
        tracker = StorageTracker(model, workspace)
        stack.enter_context(_shapes_unseen(tracker))
        run_pass(model, question, tracker)
        return tracker.log(), model


@contextmanager
def fake_ranks(count: int) -> Iterator[Any]:
    """A mesh of ``count`` ranks that exist in name only."""
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh
    from torch.testing._internal.distributed.fake_pg import FakeStore

    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=count)
    try:
        yield init_device_mesh("cpu", (count,))
    finally:
        dist.destroy_process_group()


@contextmanager
def _shapes_unseen(tracker: StorageTracker) -> Iterator[None]:
    """DTensor asks for an operator's shape by running it on whole tensors that never exist."""
    from torch.distributed.tensor._sharding_prop import ShardingPropagator

    name = "_propagate_tensor_meta_non_cached"
    original = getattr(ShardingPropagator, name)

    def unseen(*args: Any, **kwargs: Any) -> Any:
        before, tracker.paused = tracker.paused, True
        try:
            return original(*args, **kwargs)
        finally:
            tracker.paused = before

    with replaced(ShardingPropagator, name, unseen):
        yield


def shard(model: nn.Module, mesh: Any, dtype: torch.dtype) -> None:
    """One unit for each decoder layer, and the root for the rest."""
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    policy = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32)
    for layer in decoder_layers(model):
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)


def decoder_layers(model: nn.Module) -> list[nn.Module]:
    """The longest list of modules of the model: its layers."""
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    if not lists:
        raise ConfigError(f"{type(model).__name__} has no list of layers to shard")
    return [*max(lists, key=len)]
