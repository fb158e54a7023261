"""Which part of the model lies on which device."""

from __future__ import annotations

from typing import NamedTuple

from weighbridge.engine.transformers.device_map import Block, balanced
from weighbridge.engine.transformers.setup import Setup
from weighbridge.model.facts import Layer, Model, Parameter


class Share(NamedTuple):
    """The part of the model on one device: its outer parameters and its layers by index."""

    device: int
    outer: tuple[Parameter, ...]
    layers: tuple[int, ...]
    first: bool
    last: bool

    def grouped(self, model: Model) -> list[tuple[Layer, int]]:
        """Distinct layers of this share with their counts."""
        if len(self.layers) == len(model.layers):
            return model.layer_groups()
        counted: dict[int, tuple[Layer, int]] = {}
        for index in self.layers:
            layer = model.layers[index]
            counted[id(layer)] = (layer, counted.get(id(layer), (layer, 0))[1] + 1)
        return list(counted.values())


def shares(setup: Setup) -> list[Share]:
    """The model cut along ``device_map="auto"``; one share where there is one device."""
    model = setup.model
    before = tuple(p for p in model.outer if p.role == "embedding")
    after = tuple(p for p in model.outer if p.role != "embedding")
    towers = tuple(p for tower in model.towers for p in tower.parameters)
    count = max(len(setup.question.cards), 1)
    if count == 1:
        everything = (*before, *after, *towers)
        return [Share(0, everything, tuple(range(len(model.layers))), first=True, last=True)]
    sizes = {id(layer): setup.bytes_of(layer.parameters) for layer, _ in model.layer_groups()}
    blocks = [
        Block("embedding", setup.bytes_of((*before, *towers))),
        *(Block(f"layer {i}", sizes[id(layer)]) for i, layer in enumerate(model.layers)),
        Block("head", setup.bytes_of(after)),
    ]
    capacities = [card.usable_bytes for card in setup.question.cards]
    placed = balanced(blocks, capacities, blocks[1].size)
    return [
        Share(
            device,
            ((*before, *towers) if placed[0] == device else ())
            + (after if placed[-1] == device else ()),
            tuple(i for i, there in enumerate(placed[1:-1]) if there == device),
            first=placed[0] == device,
            last=placed[-1] == device,
        )
        for device in range(count)
    ]
