"""Which part of a model a rank holds: tensor, pipeline, data, context and expert parallelism."""

from __future__ import annotations

from typing import NamedTuple

from weighbridge.errors import RequestError
from weighbridge.model.facts import Layer, Model, Parameter
from weighbridge.request import Training
from weighbridge.units import ceil_div

MOST_RANKS = 2**16


class Ranks(NamedTuple):
    """Ranks in each direction; ``data`` counts those that see other sequences.

    States are cut over :attr:`shards` ranks where the sharding cuts them.
    """

    tensor: int = 1
    pipeline: int = 1
    data: int = 1
    context: int = 1
    expert: int = 1
    expert_tensor: int = 1

    @property
    def world(self) -> int:
        """All devices."""
        return self.tensor * self.pipeline * self.data * self.context

    @property
    def shards(self) -> int:
        """Ranks that hold the same parameters: over these, states may be cut."""
        return self.data * self.context

    @property
    def expert_shards(self) -> int:
        """The same for routed experts, whose ranks are taken from the others."""
        return max(self.world // (self.expert * self.expert_tensor * self.pipeline), 1)


def settle_ranks(training: Training, devices: int) -> tuple[Ranks, tuple[str, ...]]:
    """The ranks that were asked for; data parallel over what is left of the named devices."""
    tensor, pipeline = training.tensor_parallel_size, training.pipeline_parallel_size
    context, data = training.context_parallel_size, training.data_parallel_size
    inner = tensor * pipeline * context
    notes: list[str] = []
    if data is None:
        data = max(devices // inner, 1)
        if data > 1:
            notes.append(f"data parallel over {data} ranks assumed; set it with --dp")
    shared = training.expert_tensor_parallel_size
    if shared is None:
        shared = tensor if training.expert_parallel_size == 1 or _megatron(training) else 1
    ranks = Ranks(tensor, pipeline, data, context, training.expert_parallel_size, shared)
    if devices and ranks.world > devices:
        raise RequestError(
            f"tensor {tensor} × pipeline {pipeline} × context {context} × data {data} need "
            f"{ranks.world:,} devices and --on names {devices:,}"
        )
    if ranks.world > MOST_RANKS:
        raise RequestError(
            f"{ranks.world:,} ranks are more than {MOST_RANKS:,}, which no training has had"
        )
    spread = ranks.expert * ranks.expert_tensor
    if ranks.expert > 1 and (ranks.tensor * ranks.shards) % spread:
        raise RequestError(
            f"expert_parallel_size {ranks.expert} × expert_tensor_parallel_size "
            f"{ranks.expert_tensor} do not divide a stage's {ranks.tensor * ranks.shards} ranks"
        )
    if devices and ranks.world < devices:
        notes.append(f"{ranks.world:,} of the {devices:,} devices are used")
    return ranks, tuple(notes)


def _megatron(training: Training) -> bool:
    """Megatron-LM shares experts as it shares other layers unless told otherwise."""
    return training.sharding == "megatron" or training.kernels == "megatron"


CUT = frozenset({"linear", "embedding", "head"})


def share_of(parameter: Parameter, ranks: Ranks) -> int:
    """How many ranks of a stage hold parts of the parameter; 1 where each holds all of it."""
    if parameter.role == "expert":
        return ranks.expert * ranks.expert_tensor
    if parameter.role in CUT and len(parameter.shape) >= 2:
        return ranks.tensor
    return 1


def shards_of(parameter: Parameter, ranks: Ranks) -> int:
    """Over how many ranks a sharded state of the parameter is cut further."""
    return ranks.expert_shards if parameter.role == "expert" else ranks.shards


def elements_of(parameter: Parameter, ranks: Ranks) -> int:
    """Elements of the parameter on one rank of its stage."""
    return ceil_div(parameter.elements, share_of(parameter, ranks))


class Stage(NamedTuple):
    """The layers of one pipeline stage, in order, and which ends of the model it holds."""

    number: int
    layers: tuple[Layer, ...]
    first: bool
    last: bool

    def groups(self) -> list[tuple[Layer, int]]:
        """Distinct layers with their counts."""
        counted: dict[int, tuple[Layer, int]] = {}
        for layer in self.layers:
            _, count = counted.get(id(layer), (layer, 0))
            counted[id(layer)] = (layer, count + 1)
        return list(counted.values())

    def outer(self, model: Model) -> list[Parameter]:
        """Parameters outside the layers: embeddings at the start, norm and head at the end; a
        tied embedding at both ends. Towers stand with the first stage."""
        kept = []
        for each in model.outer:
            opens = each.role == "embedding"
            if (
                (opens and self.first)
                or (not opens and self.last)
                or (opens and self.last and model.tied and each.shape[0] == model.vocab)
            ):
                kept.append(each)
        towers = [p for tower in model.towers for p in tower.parameters] if self.first else []
        return kept + towers

    def parameters(self, model: Model) -> list[tuple[Parameter, int]]:
        """Every parameter of the stage with the number of layers that hold one like it."""
        found = [(each, 1) for each in self.outer(model)]
        for layer, count in self.groups():
            found += [(each, count) for each in layer.parameters]
        return found


def stages(model: Model, pipeline: int) -> list[Stage]:
    """The layers cut into ``pipeline`` runs of nearly equal length, the first ones longer."""
    if pipeline > len(model.layers):
        raise RequestError(
            f"pipeline_parallel_size {pipeline} is more than the {len(model.layers)} layers"
        )
    each, more = divmod(len(model.layers), pipeline)
    made, start = [], 0
    for index in range(pipeline):
        end = start + each + (index < more)
        made.append(Stage(index, model.layers[start:end], index == 0, index == pipeline - 1))
        start = end
    return made


def in_flight(training: Training, ranks: Ranks, stage: int) -> float:
    """Micro-batches whose activations a stage keeps at once.

    1F1B: p − stage (PipeDream-flush, arXiv:2006.09503); interleaved: (2 (p − stage − 1) + (v − 1) p
    + 1) / v, on the first stage p · (1 + (p − 1) / (p · v)) as in Megatron-LM's
    theoretical_memory_usage.py; GPipe: all of them.
    """
    p, m = ranks.pipeline, training.grad_accumulation
    if p == 1:
        return 1.0
    if training.pipeline_schedule == "gpipe":
        return float(m)
    v = training.virtual_stages if training.pipeline_schedule == "interleaved" else 1
    chunks = 2 * (p - stage - 1) + (v - 1) * p + 1 if v > 1 else p - stage
    return float(min(chunks / v, m))
