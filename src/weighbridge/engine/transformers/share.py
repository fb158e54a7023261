"""Which part of the model lies on which device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from weighbridge.engine.transformers.device_map import (
    DISK,
    HOST,
    Block,
    balance,
    balanced,
    is_map,
    module_of,
    parse_limits,
    parse_map,
    place_of,
    placed,
)
from weighbridge.engine.transformers.setup import Setup
from weighbridge.errors import RequestError
from weighbridge.memory.context import process_context
from weighbridge.model.facts import Layer, Model, Parameter

QUANTIZING = 9, 10


class Share(NamedTuple):
    """The part of the model on one device: its outer parameters and its layers by index.

    ``visiting`` are layers that lie in host memory or on disk and run here, a module at a time;
    ``visitors`` are the parameters of everything that so visits.
    """

    device: int
    outer: tuple[Parameter, ...]
    layers: tuple[int, ...]
    first: bool
    last: bool
    visiting: tuple[int, ...] = ()
    visitors: tuple[Parameter, ...] = ()

    def grouped(self, model: Model) -> list[tuple[Layer, int]]:
        """Distinct layers that run here, with their counts."""
        return _grouped(model, (*self.layers, *self.visiting))

    def kept(self, model: Model) -> list[tuple[Layer, int]]:
        """Distinct layers whose weights lie here, with their counts."""
        return _grouped(model, self.layers)


def _grouped(model: Model, layers: Sequence[int]) -> list[tuple[Layer, int]]:
    if len(layers) == len(model.layers):
        return model.layer_groups()
    counted: dict[int, tuple[Layer, int]] = {}
    for index in layers:
        layer = model.layers[index]
        counted[id(layer)] = (layer, counted.get(id(layer), (layer, 0))[1] + 1)
    return list(counted.values())


class Parts(NamedTuple):
    """The model as accelerate cuts it: what comes before the layers, the layers, what follows."""

    before: tuple[Parameter, ...]
    after: tuple[Parameter, ...]
    blocks: tuple[Block, ...]


def parts_of(setup: Setup) -> Parts:
    """The model in the pieces that are placed."""
    model = setup.model
    towers = tuple(p for tower in model.towers for p in tower.parameters)
    before = (*(p for p in model.outer if p.role == "embedding"), *towers)
    after = tuple(p for p in model.outer if p.role != "embedding")
    sizes = {id(layer): setup.bytes_of(layer.parameters) for layer, _ in model.layer_groups()}
    blocks = (
        Block("embedding", setup.bytes_of(before)),
        *(Block(f"layer {i}", sizes[id(layer)]) for i, layer in enumerate(model.layers)),
        Block("head", setup.bytes_of(after)),
    )
    return Parts(before, after, blocks)


def shares(setup: Setup) -> list[Share]:
    """The model cut as ``device_map`` says; without one, everything on the cards there are."""
    parts, model = parts_of(setup), setup.model
    count = max(len(setup.question.cards), 1)
    own = setup.question.deployment.own
    if own.get("device_map") or own.get("max_memory"):
        return _mapped(setup, parts, count)
    if count == 1:
        everything = (*parts.before, *parts.after)
        return [Share(0, everything, tuple(range(len(model.layers))), first=True, last=True)]
    capacities = [card.usable_bytes for card in setup.question.cards]
    where = balanced(parts.blocks, capacities, parts.blocks[1].size)
    return [_share(parts, where, device) for device in range(count)]


def _share(parts: Parts, where: list[int], device: int) -> Share:
    return Share(
        device,
        (parts.before if where[0] == device else ()) + (parts.after if where[-1] == device else ()),
        tuple(i for i, there in enumerate(where[1:-1]) if there == device),
        first=where[0] == device,
        last=where[-1] == device,
    )


def _mapped(setup: Setup, parts: Parts, count: int) -> list[Share]:
    """Shares under ``device_map`` and ``max_memory``; what lies elsewhere runs on the first GPU.

    accelerate ``big_modeling.py``, dispatch_model: main_device is the first GPU of the map.
    """
    where = _named(setup, parts, count) or placed(parts.blocks, _limits(setup, parts, count))
    main = min((device for device in where if device >= 0), default=0)
    found = [_share(parts, where, device) for device in range(count)]
    gone = {i for i, there in enumerate(where[1:-1]) if there < 0}
    visitors = [p for i in sorted(gone) for p in setup.model.layers[i].parameters]
    ends = [parts.before, parts.after]
    outside = [end for end, there in zip(ends, (where[0], where[-1]), strict=True) if there < 0]
    found[main] = found[main]._replace(
        visiting=tuple(sorted(gone)),
        visitors=(*visitors, *(p for end in outside for p in end)),
        first=found[main].first or where[0] < 0,
        last=found[main].last or where[-1] < 0,
    )
    return [*found, *(_share(parts, where, place) for place in (HOST, DISK))]


def _named(setup: Setup, parts: Parts, count: int) -> list[int] | None:
    """The device of each block where the request's map names modules; None where it does not.

    The parameters before the layers lie with the embedding, those after them with the head.
    """
    text, model = setup.question.deployment.own.get("device_map"), setup.model
    if not is_map(text):
        return None
    given, prefix = parse_map(text, count), model.layer_prefix
    before, after = (
        place_of(module_of(end[at].name, prefix), given) if end else None
        for end, at in ((parts.before, 0), (parts.after, -1))
    )
    layers = [place_of(f"{prefix}{index}", given) for index in range(len(model.layers))]
    head = layers[-1] if after is None else after
    return [layers[0] if before is None else before, *layers, head]


def _limits(setup: Setup, parts: Parts, count: int) -> dict[int, int | None]:
    """What ``get_balanced_memory`` and the quantizer leave of each device."""
    question = setup.question
    own, cards = question.deployment.own, question.cards
    if not cards and not own.get("max_memory"):
        raise RequestError("a device_map needs --on CARD, or limits by --max-memory")
    if own.get("max_memory"):
        limits = parse_limits(own["max_memory"], count)
    else:
        free = [card.usable_bytes - process_context(card).typical for card in cards]
        limits = dict(enumerate(free))
        if count == 1:
            limits[0] = free[0] * 9 // 10
        limits[HOST] = None
    kind = own.get("device_map", "auto")
    if kind != "sequential":
        layer = max(block.size for block in parts.blocks[1:-1])
        limits = balance(parts.blocks, limits, layer, low_zero=kind == "balanced_low_0")
    if setup.quantized and not setup.as_stored:
        part, of = QUANTIZING
        limits = {d: None if n is None else n * part // of for d, n in limits.items()}
    return limits
