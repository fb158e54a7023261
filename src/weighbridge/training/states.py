"""Weights, adapters, master copies, gradients and optimizer states of one rank."""

from __future__ import annotations

from typing import NamedTuple

from weighbridge.model.facts import Parameter
from weighbridge.training.mixtures import tensors_of
from weighbridge.training.ranks import Stage, elements_of, shards_of, share_of
from weighbridge.training.setup import CUT_GRADIENTS, CUT_STATES, CUT_WEIGHTS, Setup
from weighbridge.units import ceil_div

BLOCK = 512


class States(NamedTuple):
    """Bytes on one rank; ``whole`` figures are before they are cut over data parallel ranks.

    ``rounding`` is what the allocator's blocks of 512 bytes add to small optimizer states.
    ``trained`` and ``held`` are elements on the rank, ``largest`` the largest trained tensor's,
    ``largest_layer`` the most elements of one layer, and ``outer`` those outside the layers.
    """

    weights: int
    adapters: int
    master: int
    gradients: int
    optimizer: int
    whole_gradients: int
    held: int
    trained: int
    tensors: int
    rounding: int
    largest: int
    largest_layer: int
    outer: int
    trained_outer: int
    embedding: int


def states_of(setup: Setup, stage: Stage) -> States:
    """The states of one rank of a stage."""
    parameters = stage.parameters(setup.model)
    outer = stage.outer(setup.model)
    ranks = setup.ranks
    cut_weights, cut = setup.sharding in CUT_WEIGHTS, setup.sharding in CUT_STATES
    cut_gradients = setup.sharding in CUT_GRADIENTS
    weights = adapters = master = gradients = optimizer = whole = trained = tensors = largest = 0
    rounding = 0
    for each, count in parameters:
        shards = shards_of(each, ranks)
        weights += _cut(stored(setup, each) * count, share_of(each, ranks),
                        shards if cut_weights else 1)  # fmt: skip
        own = _trained(setup, each) * count
        if not own:
            continue
        trained += own
        tensors += count * _tensors(setup, each)
        rounding += 0 if cut else count * _rounding(setup, each)
        largest = max(largest, ceil_div(_trained(setup, each), each.copies))
        whole += own * setup.gradient_element
        if setup.adapters is not None:
            adapters += _cut(own * setup.trained_element, 1, shards if cut_weights else 1)
        master += _cut(own * setup.master_element, 1, shards if cut else 1)
        gradients += _cut(own * setup.gradient_element, 1, shards if cut_gradients else 1)
        optimizer += _cut(_state(setup, each) * count, 1, shards if cut else 1)
    layers = [sum(elements_of(p, ranks) for p in layer.parameters) for layer, _ in stage.groups()]
    return States(
        weights, adapters, master, gradients, optimizer, whole,
        held=sum(elements_of(p, ranks) * count for p, count in parameters),
        trained=trained,
        tensors=tensors,
        rounding=rounding,
        largest=largest,
        largest_layer=max(layers, default=0),
        outer=sum(elements_of(p, ranks) for p in outer),
        trained_outer=sum(_trained(setup, p) for p in outer),
        embedding=sum(_trained(setup, p) for p in outer if p.role == "embedding"),
    )  # fmt: skip


def _cut(size: int, share: int, shards: int) -> int:
    return ceil_div(size, share * shards)


def _trained(setup: Setup, parameter: Parameter) -> int:
    """Trained elements on a rank."""
    return ceil_div(setup.trained(parameter), share_of(parameter, setup.ranks))


def _state(setup: Setup, parameter: Parameter) -> int:
    """Optimizer states of the parameter on a rank, or of its adapter's two matrices."""
    element, rank = setup.state_element, setup.training.optimizer_rank
    share = share_of(parameter, setup.ranks)
    if setup.adapters is None:
        return ceil_div(setup.optimizer.state(parameter, element, rank), share)
    found = setup.adapters.matrices(parameter)
    return ceil_div(sum(setup.optimizer.state(each, element, rank) for each in found), share)


def _rounding(setup: Setup, parameter: Parameter) -> int:
    """Bytes by which blocks are larger than the states of the parameter's tensors."""
    if setup.adapters is None:
        tensors: tuple[Parameter, ...] = (parameter,) if parameter.role != "expert" else ()
    else:
        tensors = setup.adapters.matrices(parameter)
    return sum(_padding(setup, each) for each in tensors)


def _padding(setup: Setup, tensor: Parameter) -> int:
    """Of states that have the tensor's own shape; those of other shapes are large or few."""
    element = setup.state_element
    states = setup.optimizer.state(tensor, element, setup.training.optimizer_rank)
    whole = element * tensor.elements
    if not whole or states % whole:
        return 0
    return states // whole * tensor.copies * (-(whole // tensor.copies) % BLOCK)


def _tensors(setup: Setup, parameter: Parameter) -> int:
    return tensors_of(parameter) if setup.adapters is None else setup.adapters.tensors(parameter)


def stored(setup: Setup, parameter: Parameter) -> int:
    """Bytes of a base weight with all its copies, before it is cut."""
    storage = setup.storage
    if storage is None:
        return parameter.elements * setup.weight_element
    if storage.stores(parameter):
        return storage.bytes_of(parameter)
    return parameter.elements * (4 if setup.upcast else setup.weight_element)
