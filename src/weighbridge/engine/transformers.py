"""How Hugging Face Transformers spends a device: eager allocation, a cache that grows by
concatenation, and one caching allocator for everything.

A forward pass is walked through the moments at which most can be alive: the widest attention, the
widest feed-forward, and the head. Phases are ``prefill`` (the prompt in one pass) and ``decode``
(the last step, with the cache at its longest).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from weighbridge.engine import CacheFacts, DeviceSpending, Question, Spending
from weighbridge.engine import transformers_terms as terms
from weighbridge.engine.device_map import Block, balanced
from weighbridge.engine.transformers_setup import Setup, set_up
from weighbridge.memory.cache import cache_elements, elements_per_token, state_bytes
from weighbridge.memory.weights import weigh_parameters
from weighbridge.model.facts import Layer, Parameter
from weighbridge.term import Phase, Term

NEWEST = (5, 23, 0)


@dataclass(frozen=True, slots=True)
class Share:
    """The part of the model on one device: its outer parameters and its layers by index."""

    device: int
    outer: tuple[Parameter, ...]
    layers: tuple[int, ...]
    first: bool
    last: bool

    def grouped(self, setup: Setup) -> list[tuple[Layer, int]]:
        """Distinct layers of this share with their counts."""
        counted: dict[int, tuple[Layer, int]] = {}
        for index in self.layers:
            layer = setup.model.layers[index]
            counted[id(layer)] = (layer, counted.get(id(layer), (layer, 0))[1] + 1)
        return list(counted.values())


def spend(question: Question) -> Spending:
    """The terms of every device for a model run by Transformers."""
    setup = set_up(question)
    devices = tuple(_device(setup, share) for share in _shares(setup))
    layers = setup.model.layer_groups()
    element = setup.cache_bytes
    return Spending(
        devices=devices,
        cache=CacheFacts(
            dtype=setup.cache_dtype,
            bytes_per_token=element
            * elements_per_token(layers, kept=setup.kept, streams=setup.streams),
            bytes_per_sequence=element
            * cache_elements(
                layers, setup.question.tokens.cached, kept=setup.kept, streams=setup.streams
            ),
            state_bytes_per_sequence=state_bytes(layers, setup.element),
        ),
        notes=setup.notes,
        settings=setup.settings,
    )


def _shares(setup: Setup) -> list[Share]:
    """The model cut along ``device_map="auto"``; one share where there is one device."""
    model = setup.model
    before = tuple(p for p in model.outer if p.role == "embedding")
    after = tuple(p for p in model.outer if p.role != "embedding")
    towers = tuple(p for tower in model.towers for p in tower.parameters)
    count = max(len(setup.question.cards), 1)
    if count == 1:
        everything = (*before, *after, *towers)
        return [Share(0, everything, tuple(range(len(model.layers))), first=True, last=True)]
    sizes = {id(layer): setup.layer_bytes(layer) for layer, _ in model.layer_groups()}
    blocks = [
        Block("embedding", setup.bytes_of((*before, *towers))),
        *(Block(f"layer {i}", sizes[id(layer)]) for i, layer in enumerate(model.layers)),
        Block("head", setup.bytes_of(after)),
    ]
    placed = balanced(blocks, [card.usable_bytes for card in setup.question.cards])
    return [
        Share(
            device,
            ((*before, *towers) if placed[0] == device else ())
            + (after if placed[-1] == device else ()),
            tuple(i for i, where in enumerate(placed[1:-1]) if where == device),
            first=placed[0] == device,
            last=placed[-1] == device,
        )
        for device in range(count)
    ]


def _device(setup: Setup, share: Share) -> DeviceSpending:
    layers = share.grouped(setup)
    resident = (
        terms.weights(setup, share.device, share.outer, share.layers),
        *terms.buffers(setup, share.device, layers),
        terms.workspace(setup, share.device),
        terms.context(setup, share.device),
    )
    prefill = (
        *terms.cache(setup, share.device, layers, "prefill"),
        *terms.forward(setup, share.device, layers, "prefill", last=share.last),
    )
    phases: dict[Phase, tuple[Term, ...]] = {"prefill": prefill}
    if setup.model.generates:
        phases["decode"] = (
            *terms.cache(setup, share.device, layers, "decode"),
            *terms.forward(setup, share.device, layers, "decode", last=share.last),
        )
    return DeviceSpending(
        share.device,
        resident,
        {phase: (*held, terms.reserve(setup, share.device, phase, held)) for phase, held in phases.items()},
    )
