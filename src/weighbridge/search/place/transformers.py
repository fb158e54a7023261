"""Placement for Transformers: a ``device_map`` of modules, by accelerate's rules.

A layer lies on a GPU, or in host memory or on disk and then runs on the first GPU of the map, which
keeps its cache, and to which its weights cross in every pass (accelerate ``big_modeling.py``,
dispatch_model; ``hooks.py``, AlignDevicesHook). Blocks stay in order, so that the hidden state
crosses from one GPU to the next once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from weighbridge.engine import Question
from weighbridge.engine.transformers.device_map import module_of
from weighbridge.engine.transformers.setup import Setup, set_up
from weighbridge.engine.transformers.share import parts_of, shares
from weighbridge.engine.transformers.versions import GROUPED_EXPERTS
from weighbridge.hardware.card import Card
from weighbridge.memory.cache import state_bytes
from weighbridge.model.facts import Layer, Model
from weighbridge.planner import Plan, plan_request
from weighbridge.request import Request
from weighbridge.search.place.bounds import Choice
from weighbridge.search.place.chain import Found, Problem, tidied
from weighbridge.search.place.clock import NOTHING, Clock, Load, Moved, Seconds
from weighbridge.search.place.host import Host
from weighbridge.search.place.spots import (
    DISK,
    EMBEDDING,
    HEAD,
    HOST,
    Answer,
    Spot,
    Spots,
    Tried,
    Weighting,
    best_of,
    changed,
    place_name,
    search,
)
from weighbridge.speed.work import Cached

NAMES = {HOST: "cpu", DISK: "disk"}
ROTARY = "rotary_emb"
# From here on one module of the model makes the cosines of all layers (modeling_llama.py).
SHARED_ROTARY = (4, 45, 0)


class Placer:
    """A question's blocks: their bytes, their seconds on each card, and the maps of them."""

    def __init__(self, question: Question, request: Request, host: Host, weigh: Weighting) -> None:
        self.setup: Setup = set_up(question)
        self.model: Model = question.model
        self.cards: tuple[Card, ...] = question.cards
        self.request, self.host, self.weigh = request, host, weigh
        self.parts = parts_of(self.setup)
        self.sizes = [block.size for block in self.parts.blocks]
        cached = Cached(self.setup.element, self.setup.streams)
        load = Load(question.concurrency, question.tokens, max(question.tokens.prompt, 1), cached)
        self.clock = Clock("transformers", self.model, self.setup.storage, load, host)
        self.grouped = question.engine.version >= GROUPED_EXPERTS
        self.known: dict[tuple[int, int, int, int], Choice] = {}

    @cached_property
    def remembered(self) -> list[int]:
        """Bytes of cache and state of each block, all sequences together."""
        sizes: dict[int, int] = {}
        for layer, _ in self.model.layer_groups():
            cached = self.setup.cached_elements([(layer, 1)], self.setup.question.tokens.cached)
            one = cached * self.setup.element + state_bytes([(layer, 1)], self.setup.element)
            sizes[id(layer)] = int(one * self.setup.question.concurrency)
        return [0, *(sizes[id(layer)] for layer in self.model.layers), 0]

    @property
    def names(self) -> list[str]:
        """The blocks in order."""
        return [EMBEDDING, *(str(index) for index in range(len(self.model.layers))), HEAD]

    def seconds(self, block: int, home: int, runs: int) -> Seconds:
        """A block that lies at ``home`` and runs on the GPU ``runs``."""
        card = self.cards[runs]
        if 0 < block <= len(self.model.layers):
            layer = self.model.layers[block - 1]
            own, moved = self.clock.layer(layer, card), self._crossing(layer)
        else:
            holds_head = (block == 0) == self.model.tied
            own = self.clock.ends(card) if holds_head else NOTHING
            size = self.sizes[block] * (2 if block == 0 and self.model.tied else 1)
            moved = Moved(size, size * self.clock.load.passes)
        if home >= 0:
            return own
        return own.plus(self.clock.streamed(moved, card, disk=home == DISK))

    def _crossing(self, layer: Layer) -> Moved:
        """Bytes that cross: the experts of a layer as one module, or those visited."""
        return self.clock.read(layer, whole=self.grouped)

    def choices(self, block: int, gpu: int, main: int, *, streams: bool) -> list[Choice]:
        """The ways of a block that runs on ``gpu``."""
        found = [self._choice(block, gpu, gpu, self.sizes[block])]
        if gpu == main and streams:
            found.append(self._choice(block, HOST, gpu, 0, self.sizes[block]))
            if self.host.disk:
                found.append(self._choice(block, DISK, gpu, 0))
        return found

    def _choice(self, block: int, home: int, runs: int, own: int, host: int = 0) -> Choice:
        key = (block, home, runs, own)
        if key not in self.known:
            seconds = self.weigh.of(self.seconds(block, home, runs))
            self.known[key] = Choice(str(home), seconds, own + self.remembered[block], host)
        return self.known[key]

    def hop(self, left: int, right: int) -> Seconds:
        """From one GPU to another."""
        return NOTHING if left == right else self.clock.hop(self.cards[left], self.cards[right])

    def problem(self, main: int, fixed: Sequence[int], *, streams: bool) -> Problem:
        """The chain over the GPUs from ``main`` on."""
        gpus = range(main, len(self.cards))
        return Problem(
            len(self.sizes),
            tuple(self.cards[gpu].usable_bytes - fixed[gpu] for gpu in gpus),
            self.host.memory - fixed[-1],
            lambda block, station: self.choices(block, gpus[station], main, streams=streams),
            lambda left, right: self.weigh.of(self.hop(gpus[left], gpus[right])),
        )

    def price(self, spots: Spots) -> Seconds:
        """A step of any placement; what lies elsewhere runs on the first GPU that is used."""
        main = min((spot.home for spot in spots if spot.home >= 0), default=0)
        runs = [spot.home if spot.home >= 0 else main for spot in spots]
        if self.model.tied:
            runs[-1] = runs[0]
        total, before = NOTHING, runs[0]
        for block, spot in enumerate(spots):
            at = runs[-2] if block == len(spots) - 1 and self.model.tied else runs[block]
            total = total.plus(self.seconds(block, spot.home, at))
            total = total.plus(self.hop(before, runs[block]))
            before = runs[block]
        return total

    def spots_of(self, found: Found) -> Spots:
        """What the chain means: on a GPU first what lies there, then what streams to it."""
        gpus = [str(gpu) for gpu in range(len(self.cards))]
        kinds = [EMBEDDING, *(id(layer) for layer in self.model.layers), HEAD]
        neat = tidied(found, kinds, [*gpus, str(HOST), str(DISK)])
        return tuple(
            Spot(name, int(choice.tag))
            for name, choice in zip(self.names, neat.choices, strict=True)
        )

    def options(self, spots: Spots) -> dict[str, Any]:
        """The ``device_map`` as JSON."""
        return {"device_map": json.dumps(device_map(self.model, spots, self.setup.version))}

    def tried(self, spots: Spots, options: dict[str, Any]) -> Tried:
        """The placement as the engine's rules plan it."""
        plan = plan_request(changed(self.request, options), self.model)
        totals = {device.index: device.total for device in plan.devices}
        own, weights = [0] * len(self.cards), [0] * len(self.cards)
        held = 0
        main = min((spot.home for spot in spots if spot.home >= 0), default=0)
        for block, spot in enumerate(spots):
            if spot.home >= 0:
                own[spot.home] += self.sizes[block]
                weights[spot.home] += self.sizes[block]
            own[spot.home if spot.home >= 0 else main] += self.remembered[block]
            held += self.sizes[block] if spot.home == HOST else 0
        used = [totals.get(gpu, 0) if own[gpu] else 0 for gpu in range(len(self.cards))]
        fixed = [totals.get(gpu, 0) - own[gpu] for gpu in range(len(self.cards))]
        limits = (*(card.usable_bytes for card in self.cards), self.host.memory)
        return Tried(
            spots, options, self.price(spots), (*used, held), (*fixed, 0), limits,
            weights=tuple(weights),
        )  # fmt: skip

    def automatic(self, kind: str = "auto", limits: str = "") -> Tried:
        """What ``device_map="auto"`` does with this host's memory, or under ``max_memory``."""
        options = {"device_map": kind, "max_memory": limits or self._limits()}
        asked = changed(self.request, options)
        question = self.setup.question._replace(deployment=asked.deployment)
        where: dict[int | str, int] = {}
        for share in shares(set_up(question)):
            where.update(dict.fromkeys(share.layers, share.device))
            if share.outer and any(p in share.outer for p in self.parts.before):
                where[EMBEDDING] = share.device
            if share.outer and any(p in share.outer for p in self.parts.after):
                where[HEAD] = share.device
        layers = range(len(self.model.layers))
        last = where[layers[-1]]
        ends = where.get(EMBEDDING, where[0]), where.get(HEAD, last)
        spots = (
            Spot(EMBEDDING, ends[0]),
            *(Spot(str(index), where[index]) for index in layers),
            Spot(HEAD, ends[1]),
        )
        return self.tried(spots, options)

    def _limits(self) -> str:
        """What transformers takes where nobody says: what is free, nine tenths of one GPU."""
        from weighbridge.memory.context import process_context

        free = [card.usable_bytes - process_context(card).typical for card in self.cards]
        if len(free) == 1:
            free[0] = free[0] * 9 // 10
        named = [f"{gpu}={size}B" for gpu, size in enumerate(free)]
        return ",".join([*named, f"cpu={self.host.memory}B"])


def device_map(model: Model, spots: Spots, version: tuple[int, ...]) -> dict[str, Any]:
    """Module → GPU number, ``cpu`` or ``disk``, as ``from_pretrained`` takes it.

    A tied head lies with the embedding.
    """
    prefix, tied = model.layer_prefix, model.tied
    where = {spot.block: NAMES.get(spot.home, spot.home) for spot in spots}
    found: dict[str, Any] = {}
    towers = [p for tower in model.towers for p in tower.parameters]
    for parameter in (*(p for p in model.outer if p.role == EMBEDDING), *towers):
        found[module_of(parameter.name, prefix)] = where[EMBEDDING]
    if tied:
        found.setdefault("lm_head", where[EMBEDDING])
    root = prefix.rstrip(".").rpartition(".")[0]
    if model.rotary_width and version >= SHARED_ROTARY and root.partition(".")[0] == "model":
        found[f"{root}.{ROTARY}"] = where[EMBEDDING]
    for index in range(len(model.layers)):
        found[f"{prefix}{index}"] = where[str(index)]
    for parameter in model.outer:
        if parameter.role != EMBEDDING:
            found[module_of(parameter.name, prefix)] = where[HEAD]
    return found


def place(question: Question, request: Request, host: Host, weigh: Weighting) -> Answer:
    """The fastest ``device_map`` that fits, and accelerate's own."""
    placer = Placer(question, request, host, weigh)
    tried = list(_candidates(placer))

    def plan(best: Tried) -> Plan:
        return plan_request(changed(request, best.options), question.model)

    return Answer(
        best_of(tried, weigh), placer.automatic(), plan, _why_not(placer), 'device_map="auto"'
    )


def _candidates(placer: Placer) -> Iterator[Tried]:
    """Nothing streamed; then streamed to each GPU as the first, if need be."""
    start = [0] * (len(placer.cards) + 1)
    for streams, mains in ((False, range(1)), (True, range(len(placer.cards)))):
        some = False
        for main in mains:
            found = search(
                lambda fixed: placer.problem(main, fixed, streams=streams),  # noqa: B023
                lambda each: _attempt(placer, each),
                start,
            )
            for tried in found:
                some = True
                yield tried
        if some:
            return


def _attempt(placer: Placer, found: Found) -> Tried:
    spots = placer.spots_of(found)
    return placer.tried(spots, placer.options(spots))


def _why_not(placer: Placer) -> str:
    """What is too small, where nothing fits."""
    from weighbridge.units import format_bytes

    whole = sum(placer.sizes) + sum(placer.remembered)
    room = sum(card.usable_bytes for card in placer.cards) + placer.host.memory
    needs = f"{format_bytes(whole)} of weights and cache"
    if whole > room and not placer.host.disk:
        held = format_bytes(room)
        return f"{needs} are more than the {held} of all GPUs and host memory; add --disk"
    fullest = place_name(0)
    return (
        f"{needs} fit nowhere: what runs on {fullest} keeps its cache and its activations there; "
        "use a shorter --context, a smaller --weights format, or a card with more memory"
    )
