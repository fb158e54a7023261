"""Placement for llama.cpp: ``-ngl``, ``-ts``, ``-ot`` and ``--n-cpu-moe``.

The first layers may stay in host memory (``-ngl``), the others lie on the GPUs in order (``-ts``),
each with its cache; of any layer on a GPU the feed-forward matrices, or the routed experts, may be
sent to host memory (``-ot``), where the processor computes on them. Under ``-nkvo`` all caches lie
in host memory. Source: llama.cpp src/llama-model.cpp, load_tensors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from weighbridge.engine import Question
from weighbridge.engine.llama_cpp import devices_of, fitting, settings
from weighbridge.engine.llama_cpp.blocks import ExpertsShape
from weighbridge.engine.llama_cpp.buffers import Buffers, Described, allocate, describe
from weighbridge.engine.llama_cpp.placement import EXPERTS
from weighbridge.engine.llama_cpp.settings import Settings
from weighbridge.engine.llama_cpp.weights import HEAD as OUTPUT
from weighbridge.engine.llama_cpp.weights import LOOKUP, weigh
from weighbridge.hardware.card import Card
from weighbridge.model.facts import Layer, Model, Parameter
from weighbridge.planner import Plan, plan_request
from weighbridge.request import Request, Tokens
from weighbridge.search.place.bounds import UNBOUNDED, Choice
from weighbridge.search.place.chain import Found, Problem, tidied
from weighbridge.search.place.clock import NOTHING, Clock, Load, Moved, Seconds
from weighbridge.search.place.host import Host
from weighbridge.search.place.llama_fit import Sizes, filled
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
    search,
)
from weighbridge.speed.work import Cached
from weighbridge.units import format_bytes

# What is saved by keeping caches in host memory must be worth this, for what the processor's
# attention takes beside reading them is not known.
WORTH = 0.95
FILLS = 3
FEED_FORWARD = re.compile(r"^ffn_(?:up|gate|down)$")
WHOLE, SPLIT, SPLIT_DISK, AWAY, AWAY_DISK = "whole", "split", "split-disk", "host", "disk"
PATTERNS = {
    True: r"ffn_(up|gate|down|gate_up)_(ch|)exps",
    False: r"ffn_(up|gate|down)\.(weight|bias)",
}


class Bytes(NamedTuple):
    """Of one block: all weights, those that may be sent away, and what it remembers."""

    weights: int
    moves: int
    remembered: int


class Placer:
    """A question's layers and head: bytes, seconds, and the options that place them."""

    def __init__(
        self, question: Question, request: Request, host: Host, weigh_: Weighting, *, keeps: bool
    ) -> None:
        self.question, self.request, self.host, self.weigh = question, request, host, weigh_
        self.model: Model = question.model
        self.cards: tuple[Card, ...] = question.cards
        self.offloads = keeps
        self.gpus = devices_of(question.cards)
        self.weights = weigh(self.model, question.deployment.weights)
        self.described: Described = describe(self.model, self.weights)
        self.settings: Settings = self._settled({})
        self.whole: Buffers = allocate(self.described, self.settings, self.gpus)
        self.count = len(self.model.layers)
        self.clock = self._clock(question.tokens)
        self.empty = self._clock(Tokens(1, 1))
        self.bytes = self._bytes()
        self.kinds = [*zip(map(id, self.model.layers), self.bytes, strict=False), HEAD]
        self.timed: dict[tuple[object, ...], Seconds] = {}
        self.known: dict[tuple[object, int], list[Choice]] = {}

    def _settled(self, options: dict[str, Any]) -> Settings:
        asked = changed(self.request, options)
        question = self.question
        return settings.settle(
            asked.deployment, self.model, question.engine.version,
            question.tokens.context - 1, question.concurrency,
        )  # fmt: skip

    def _clock(self, tokens: Tokens) -> Clock:
        element = self.settings.key.bits / 8
        load = Load(self.question.concurrency, tokens, self.settings.pass_tokens, Cached(element))
        return Clock("llama.cpp", self.model, self.weights.storage, load, self.host)

    def _bytes(self) -> list[Bytes]:
        """Of the layers and, last, of the head with all that lies beside the last layer."""
        weights, moves = [0] * (self.count + 1), [0] * (self.count + 1)
        for piece in self.weights.pieces:
            if piece.layer is None and piece.stem in LOOKUP:
                continue
            block = self.count if piece.layer is None else min(piece.layer, self.count)
            weights[block] += piece.size
            if block < self.count and self._moves(block, piece.stem):
                moves[block] += piece.size
        if self.weights.tied and not any(p.stem == OUTPUT for p in self.weights.pieces):
            weights[-1] += self.lookup
        kept = [layer.cache + layer.state for layer in self.whole.layers]
        return [Bytes(*row) for row in zip(weights, moves, [*kept, 0], strict=True)]

    @property
    def lookup(self) -> int:
        """Bytes of the embedding, which lies in host memory."""
        return sum(
            p.size for p in self.weights.pieces if p.layer is None and p.stem == "token_embd"
        )

    def mixed(self, block: int) -> bool:
        """Whether a layer has routed experts."""
        return isinstance(self.described.shapes[block].feed, ExpertsShape)

    def _moves(self, block: int, stem: str) -> bool:
        return bool((EXPERTS if self.mixed(block) else FEED_FORWARD).match(stem))

    def moved(self, block: int) -> Moved:
        """What a step and a prompt read of the matrices that may be sent away: as many bytes as
        this layer's own have, of which the format states the mean."""
        layer = self.model.layers[block]
        kept = {id(p) for p in self.clock.bare(layer).parameters}
        sent = tuple(p for p in layer.parameters if id(p) not in kept)
        return self._scaled(self.clock.read_of(layer, sent), sent, self.bytes[block].moves)

    def all_of(self, block: int) -> Moved:
        """The same of a whole layer."""
        layer = self.model.layers[block]
        return self._scaled(self.clock.read(layer), layer.parameters, self.bytes[block].weights)

    def _scaled(self, read: Moved, parameters: Sequence[Parameter], size: int) -> Moved:
        mean = sum(map(self.clock.size, parameters))
        factor = size / mean if mean else 1.0
        return Moved(read.decode * factor, read.prompt * factor)

    def seconds(self, block: int, spot: Spot) -> Seconds:
        """A layer, or the head, that lies as ``spot`` says."""
        key = (self.kinds[block], spot.home, spot.moved)
        if key not in self.timed:
            self.timed[key] = self._seconds(block, spot)
        return self.timed[key]

    def _seconds(self, block: int, spot: Spot) -> Seconds:
        if block == self.count:
            return self._head(spot.home)
        layer, host = self.model.layers[block], self.host
        if spot.home < 0:
            step = self.clock.in_place(self.all_of(block), self.cards[0], disk=spot.home == DISK)
            cache = self.clock.remembered(layer) / host.bandwidth
            return step.plus(Seconds(cache, self.clock.layer(layer, self.cards[0]).prompt))
        card = self.cards[spot.home]
        if spot.moved is None:
            return self._with_cache(layer, layer, card)
        rest = self._with_cache(layer, self.clock.bare(layer), card)
        away = self.clock.in_place(self.moved(block), card, disk=spot.moved == DISK)
        bare = self.clock.layer(self.clock.bare(layer), card)
        filling = self.clock.layer(layer, card).minus(bare).prompt
        return rest.plus(away).plus(Seconds(0.0, filling)).plus(self.hop(card).times(2))

    def _with_cache(self, layer: Layer, part: Layer, card: Card) -> Seconds:
        """A layer's part on a card; its cache is read in host memory under ``-nkvo``."""
        if self.offloads:
            return self.clock.layer(part, card)
        cache = self.clock.remembered(layer) / self.host.bandwidth
        own = self.empty.layer(part, card).decode
        hops = self.hop(card).times(2)
        return Seconds(own + cache, self.clock.layer(part, card).prompt).plus(hops)

    def _head(self, home: int) -> Seconds:
        if home >= 0:
            return self.clock.ends(self.cards[home])
        size = float(self.bytes[-1].weights)
        once = self.clock.ends(self.cards[0])
        return self.clock.in_place(Moved(size, size), None).plus(Seconds(0.0, once.prompt))

    def hop(self, card: Card | None, other: Card | None = None) -> Seconds:
        """Between a card and another or the host."""
        return self.clock.hop(card, other)

    def choices(self, block: int, station: int) -> list[Choice]:
        """Station 0 is the host, the others are GPUs."""
        key = (self.kinds[block], station)
        if key not in self.known:
            self.known[key] = list(self._choices(block, station - 1))
        return self.known[key]

    def _choices(self, block: int, home: int) -> Iterator[Choice]:
        size, disk = self.bytes[block], self.host.disk is not None
        own = size.remembered if self.offloads else 0
        kept = size.remembered - own
        if home < 0:
            yield self._choice(block, AWAY, HOST, 0, size.weights + size.remembered)
            if disk and block < self.count:
                yield self._choice(block, AWAY_DISK, DISK, 0, size.remembered)
            return
        yield self._choice(block, WHOLE, home, size.weights + own, kept)
        if size.moves:
            rest = size.weights - size.moves + own
            yield self._choice(block, SPLIT, home, rest, size.moves + kept)
            if disk:
                yield self._choice(block, SPLIT_DISK, home, rest, kept)

    def _choice(self, block: int, tag: str, home: int, own: int, host: int) -> Choice:
        spot = Spot("", home, {SPLIT: HOST, SPLIT_DISK: DISK}.get(tag))
        return Choice(tag, self.weigh.of(self.seconds(block, spot)), own, host)

    def problem(self, fixed: Sequence[int]) -> Problem:
        """The chain over the host and the GPUs."""
        limits = (UNBOUNDED, *(self.limit(gpu) - fixed[gpu] for gpu in range(len(self.gpus))))

        def hop(left: int, right: int) -> float:
            ends = (None if at == 0 else self.cards[at - 1] for at in (left, right))
            return self.weigh.of(self.hop(*ends))

        return Problem(self.count + 1, limits, self.host.memory - fixed[-1], self.choices, hop)

    def limit(self, gpu: int) -> int:
        """Bytes that buffers may take of a GPU: what is free less the margin of ``--fit``."""
        return self.gpus[gpu].free - self.settings.margin

    def spots_of(self, found: Found) -> Spots:
        """What the chain means; experts are sent away from the first layers of a GPU."""
        neat = tidied(found, self.kinds, (AWAY_DISK, AWAY, SPLIT_DISK, SPLIT, WHOLE))
        spots = [Spot(EMBEDDING, HOST)]
        for block, (station, choice) in enumerate(zip(neat.stations, neat.choices, strict=True)):
            name = HEAD if block == self.count else str(block)
            home = {AWAY: HOST, AWAY_DISK: DISK}.get(choice.tag, station - 1)
            moved = {SPLIT: HOST, SPLIT_DISK: DISK}.get(choice.tag)
            spots.append(Spot(name, home, moved))
        return tuple(spots)

    def price(self, spots: Spots) -> Seconds:
        """A step of any placement."""
        total, before = NOTHING, spots[1].home
        for block, spot in enumerate(spots[1:]):
            total = total.plus(self.seconds(block, spot))
            if max(spot.home, HOST) != max(before, HOST):
                ends = (None if home < 0 else self.cards[home] for home in (before, spot.home))
                total = total.plus(self.hop(*ends))
            before = spot.home
        return total

    def options(self, spots: Spots) -> dict[str, Any]:
        """The flags that place the blocks so."""
        homes = [spot.home for spot in spots[1:]]
        counts = [homes.count(gpu) for gpu in range(len(self.gpus))]
        found: dict[str, Any] = {"n_gpu_layers": str(sum(counts))}
        if len(counts) > 1 and any(counts):
            found["tensor_split"] = ",".join(map(str, counts))
        found.update(self._sent(spots))
        if not self.offloads:
            found["no_kv_offload"] = True
        return found

    def _sent(self, spots: Spots) -> dict[str, Any]:
        """Experts of the first layers by number, anything else by pattern."""
        layers = spots[1:-1]
        away = [index for index, spot in enumerate(layers) if spot.moved is not None]
        if not away:
            return {}
        mixed = [index for index in range(self.count) if self.mixed(index)]
        first = [index for index in mixed if index <= away[-1]]
        if all(layers[i].moved is not None or layers[i].home < 0 for i in first) and set(
            away
        ) <= set(mixed):
            return {"n_cpu_moe": away[-1] + 1}
        parts = []
        for kind in (True, False):
            chosen = [str(index) for index in away if self.mixed(index) == kind]
            if chosen:
                parts.append(rf"blk\.({'|'.join(chosen)})\.{PATTERNS[kind]}=CPU")
        return {"override_tensor": ",".join(parts)}

    def tried(self, spots: Spots, options: dict[str, Any]) -> Tried:
        """The placement as llama.cpp would allocate it."""
        _, buffers = fitting.fit(self.described, self._settled(options), self.gpus)
        return self._tried(spots, options, buffers)

    def _tried(self, spots: Spots, options: dict[str, Any], buffers: Buffers) -> Tried:
        own, host = [0] * len(self.gpus), buffers.placement.host
        away = disk = 0
        for size, spot in zip(self.bytes, spots[1:], strict=True):
            sent = size.moves if spot.moved is not None else 0
            if spot.home >= 0:
                own[spot.home] += size.weights - sent + size.remembered * self.offloads
                away += sent + size.remembered * (not self.offloads)
                disk += sent if spot.moved == DISK else 0
            else:
                away += size.weights + size.remembered
                disk += size.weights if spot.home == DISK else 0
        used = [buffers.total(gpu) for gpu in range(len(self.gpus))]
        in_host = buffers.total(host) + buffers.output
        limits = (*(self.limit(gpu) for gpu in range(len(self.gpus))), self.host.memory)
        fixed = [total - mine for total, mine in zip(used, own, strict=True)]
        return Tried(
            spots, options, self.price(spots), (*used, in_host - disk), (*fixed, in_host - away),
            limits,
        )  # fmt: skip

    def automatic(self) -> Tried:
        """What ``--fit`` does by itself, which knows nothing of the host's size."""
        chosen, buffers = fitting.fit(self.described, self.settings, self.gpus)
        if len(self.gpus) > 1 and chosen != self.settings:
            by_device = self._by_device()
            if by_device is not None:
                return by_device
        layout, host = buffers.placement, buffers.placement.host
        spots = [Spot(EMBEDDING, HOST)]
        for index, device in enumerate((*layout.layers, layout.output)):
            name = HEAD if index == self.count else str(index)
            sent = index < min(chosen.cpu_moe, self.count) and self.mixed(index) and device != host
            home = HOST if device == host else device
            spots.append(Spot(name, home, HOST if sent else None))
        return self._tried(tuple(spots), {"fit": "on"}, buffers)

    def _by_device(self) -> Tried | None:
        """What it fills device by device, as flags that say the same; None where that is over."""
        fixed = tuple(self.whole.compute)
        for _ in range(FILLS):
            limits = [self.limit(gpu) - fixed[gpu] for gpu in range(len(self.gpus))]
            spots = filled([self._sizes(block) for block in range(self.count + 1)], limits)
            tried = self.tried(spots, self.options(spots))
            if all(u <= most for u, most in zip(tried.used[:-1], tried.limits[:-1], strict=True)):
                return tried
            fixed = tuple(max(old, new) for old, new in zip(fixed, tried.fixed, strict=False))
        return None

    def _sizes(self, block: int) -> Sizes:
        size = self.bytes[block]
        mixed = block < self.count and self.mixed(block)
        full = size.weights + size.remembered
        return Sizes(full, full - size.moves if mixed else full)


def place(question: Question, request: Request, host: Host, weigh_: Weighting) -> Answer:
    """The fastest flags that fit, and what ``--fit`` takes."""
    own = Placer(question, request, host, weigh_, keeps=True)
    best = best_of(list(_tries(own)), weigh_)
    if not weigh_.prefill and (best is None or _spills(best)):
        asked = changed(request, {"no_kv_offload": True})
        other = question._replace(deployment=asked.deployment)
        without = best_of(list(_tries(Placer(other, asked, host, weigh_, keeps=False))), weigh_)
        if without and (best is None or without.seconds.decode < best.seconds.decode * WORTH):
            best = without

    def plan(best: Tried) -> Plan:
        return plan_request(changed(request, best.options), question.model)

    return Answer(best, own.automatic(), plan, _why_not(own), "--fit on")


def _spills(best: Tried) -> bool:
    return any(s.home < 0 or s.moved is not None for s in best.spots[1:])


def _tries(placer: Placer) -> Iterator[Tried]:
    start = [*placer.whole.compute[: len(placer.gpus)], placer.lookup]

    def attempt(found: Found) -> Tried:
        spots = placer.spots_of(found)
        return placer.tried(spots, placer.options(spots))

    yield from search(placer.problem, attempt, start)


def _why_not(placer: Placer) -> str:
    """What is too small, where nothing fits."""
    whole = sum(size.weights + size.remembered for size in placer.bytes) + placer.lookup
    free = sum(placer.limit(gpu) for gpu in range(len(placer.gpus)))
    sentence = (
        f"{format_bytes(whole)} of weights and cache do not fit into the "
        f"{format_bytes(max(free, 0))} that the GPUs leave beside llama.cpp's margin and "
        f"{format_bytes(placer.host.memory)} of host memory"
    )
    more = "" if placer.host.disk else "add --disk, "
    return f"{sentence}; {more}use a shorter --context or a smaller --weights format"
