"""The clock: seconds of each part of a model on each device, from the room that models speed.

A layer's seconds are what one more such layer adds to a step (two of them less one), so that a
model that lies on one card takes what ``weigh speed`` says. Engines without fitted constants are
timed by the floor, bytes over the bus or arithmetic. What lies in host memory crosses the link in
every step, or is computed on by the processor where it lies, as the engine does.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from weighbridge.engine.layout import Layout
from weighbridge.formats.format import StorageFormat
from weighbridge.hardware.card import Card
from weighbridge.model.facts import Layer, Model, Parameter
from weighbridge.model.feed_forward import MixtureOfExperts, NoFeedForward
from weighbridge.records import replace
from weighbridge.request import Tokens
from weighbridge.search.place.host import Host, link_of
from weighbridge.speed.constants import Constants, constants_of, platform_of
from weighbridge.speed.kernels import kernels_of
from weighbridge.speed.rates import arithmetic_rate, rates_of
from weighbridge.speed.shape import shape_of
from weighbridge.speed.step import Cost, decode_split, latency, prefill_split
from weighbridge.speed.work import Cached, Work, decode_work, prefill_work, touched

# Batches from which llama.cpp copies weights in host memory to the GPU instead of computing on
# them where they lie (GGML_OP_OFFLOAD_MIN_BATCH, ggml-cuda.cu).
COPIED_FROM = 32
MIXED_WEIGHT = 16


class Seconds(NamedTuple):
    """Of a decode step, and of a whole prompt."""

    decode: float = 0.0
    prompt: float = 0.0

    def plus(self, other: Seconds) -> Seconds:
        """Both, one after the other."""
        return Seconds(self.decode + other.decode, self.prompt + other.prompt)

    def minus(self, other: Seconds) -> Seconds:
        """Without the other, at least nothing."""
        return Seconds(max(self.decode - other.decode, 0.0), max(self.prompt - other.prompt, 0.0))

    def times(self, count: int) -> Seconds:
        """That many of them."""
        return Seconds(self.decode * count, self.prompt * count)


NOTHING = Seconds()


class Load(NamedTuple):
    """What is timed: sequences at once, their lengths, the prompt's passes, the cache."""

    sequences: int
    tokens: Tokens
    chunk: int
    cached: Cached

    @property
    def middle(self) -> int:
        """Positions cached in the middle of the output."""
        return int(self.tokens.prompt + self.tokens.output // 2)

    @property
    def pass_tokens(self) -> int:
        """Prompt tokens of one pass."""
        return int(min(max(self.tokens.prompt, 1), self.chunk))

    @property
    def passes(self) -> int:
        """Passes of one prompt."""
        return int(-(-max(self.tokens.prompt, 1) // self.pass_tokens))


class Moved(NamedTuple):
    """Bytes that a decode step and a prompt's passes read of something."""

    decode: float
    prompt: float

    def at(self, rate: float) -> Seconds:
        """Seconds of reading them at a rate."""
        return Seconds(self.decode / rate, self.prompt / rate)


class Clock:
    """Times parts of a model in a format under a load, on cards and on the host of one machine."""

    def __init__(
        self, engine: str, model: Model, storage: StorageFormat, load: Load, host: Host
    ) -> None:
        self.engine, self.model, self.storage = engine, model, storage
        self.load, self.host = load, host
        self._known: dict[tuple[object, ...], Seconds] = {}
        self._sizes: dict[int, int] = {}
        self._bare = {id(layer): without_feed_forward(layer) for layer, _ in model.layer_groups()}

    @cached_property
    def alone(self) -> Model:
        """The model without its layers: what comes once in a step."""
        return replace(self.model, layers=())

    def layer(self, layer: Layer, card: Card) -> Seconds:
        """What one more such layer adds on a card."""
        key = (id(layer), card.id)
        if key not in self._known:
            one = self._whole(replace(self.model, outer=(), towers=(), layers=(layer,)), card)
            two = self._whole(replace(self.model, outer=(), towers=(), layers=(layer,) * 2), card)
            self._known[key] = two.minus(one)
        return self._known[key]

    def bare(self, layer: Layer) -> Layer:
        """A layer of the model without its feed-forward's matrices or routed experts."""
        return self._bare[id(layer)]

    def size(self, parameter: Parameter) -> int:
        """Bytes of a parameter of the model in the storage format."""
        if id(parameter) not in self._sizes:
            self._sizes[id(parameter)] = self.storage.bytes_of(parameter)
        return self._sizes[id(parameter)]

    def ends(self, card: Card) -> Seconds:
        """The head and what a step takes once."""
        key = ("ends", card.id)
        if key not in self._known:
            self._known[key] = self._whole(self.alone, card)
        return self._known[key]

    def hop(self, left: Card | None, right: Card | None) -> Seconds:
        """Handing the hidden state on, over the slower link of the two; None is the host."""
        cards = [card for card in (left, right) if card is not None]
        found = [self._hop(card) for card in cards]
        return max(found, default=NOTHING)

    def _hop(self, card: Card) -> Seconds:
        cost = self._cost(card)
        wait = USUAL_WAIT if cost is None else float(latency(cost, 2))
        row = self.model.hidden * 2 / link_of(card)
        prompt = self.load.passes * wait + row * max(self.load.tokens.prompt, 1)
        return Seconds(wait + row * self.load.sequences, prompt)

    def _whole(self, model: Model, card: Card) -> Seconds:
        shape = shape_of(model, self.storage, Layout())
        load, prompt = self.load, max(self.load.tokens.prompt, 1)
        step = decode_work(shape, load.sequences, load.middle, load.cached)
        filling = prefill_work(shape, 1, prompt, prompt, load.cached)
        cost = self._cost(card)
        if cost is None:
            return Seconds(floor(step, card), floor(filling, card, load.passes))
        whole = prefill_split(filling, cost, load.pass_tokens * 1.0, load.passes)
        return Seconds(float(decode_split(step, cost).seconds), float(whole.seconds))

    def _cost(self, card: Card) -> Cost | None:
        """What the room of speed times an engine with; None where it has no constants."""
        return cost_of(self.engine, card, self.storage, self.load.cached.element)

    def read(self, layer: Layer, *, whole: bool = False) -> Moved:
        """Bytes of a layer's weights that a step and a prompt read; of experts those visited,
        or all of them where they come as one (``whole``)."""
        return self.read_of(layer, layer.parameters, whole=whole)

    def read_of(
        self, layer: Layer, parameters: Sequence[Parameter], *, whole: bool = False
    ) -> Moved:
        """The same of some of its parameters."""
        feed = layer.feed_forward
        mixed = isinstance(feed, MixtureOfExperts) and not whole
        decode = prompt = 0.0
        for each in parameters:
            size = self.size(each)
            routed = mixed and each.role == "expert"
            decode += size * self._visited(layer, self.load.sequences) if routed else size
            prompt += size * self._visited(layer, self.load.pass_tokens) if routed else size
        return Moved(decode, prompt * self.load.passes)

    def _visited(self, layer: Layer, tokens: int) -> float:
        feed = layer.feed_forward
        assert isinstance(feed, MixtureOfExperts)
        return float(touched(feed.experts, feed.top_k, tokens))

    def remembered(self, layer: Layer) -> float:
        """Bytes of cache and state that a decode step moves in a layer."""
        model = replace(self.model, outer=(), towers=(), layers=(layer,))
        shape = shape_of(model, self.storage, Layout())
        work = decode_work(shape, self.load.sequences, self.load.middle, self.load.cached)
        return float(work.cache_bytes + work.state_bytes)

    def streamed(self, moved: Moved, card: Card, *, disk: bool = False) -> Seconds:
        """Weights that cross the link before they are used; from a disk through host memory."""
        seconds = moved.at(min(link_of(card), self.host.bandwidth))
        return seconds.plus(moved.at(self.host.disk)) if disk and self.host.disk else seconds

    def in_place(self, moved: Moved, card: Card | None, *, disk: bool = False) -> Seconds:
        """Weights that the processor computes on; a large pass of a prompt is copied to a card."""
        rate = min(self.host.bandwidth, self.host.disk or 0) if disk else self.host.bandwidth
        copied = card is not None and self.load.pass_tokens >= COPIED_FROM
        link = min(rate, link_of(card)) if card is not None else rate
        return Seconds(moved.decode / rate, moved.prompt / (link if copied else rate))


def cost_of(engine: str, card: Card, storage: StorageFormat, element: float) -> Cost | None:
    """The cost of a pass on a card; None where the engine has no constants of its own."""
    fitted = constants_of(engine, platform_of(card.vendor))
    kernels = kernels_of(engine, card, storage, element)
    rates = rates_of(card, kernels.linear, kernels.expert)
    if fitted is None or rates is None:
        return None
    return Cost(fitted.constants, kernels, rates, storage.value_bits < MIXED_WEIGHT)


def floor(work: Work, card: Card, passes: int = 1) -> float:
    """The least seconds of a pass on a card's stated rates (``speed.roofline``)."""
    part = touched(work.experts, work.top_k, work.routed)
    moved = (work.dense_bytes + work.expert_bytes * part) * passes
    moved = moved + work.cache_bytes + work.state_bytes
    rate = arithmetic_rate(card, "bf16")
    arithmetic = work.operations / rate if rate else 0.0
    return float(max(moved / (card.bandwidth or 1), arithmetic))


def without_feed_forward(layer: Layer) -> Layer:
    """The layer with its feed-forward's matrices, or its routed experts, taken away."""
    feed = layer.feed_forward
    if isinstance(feed, MixtureOfExperts):
        kept = tuple(p for p in feed.parameters if p.role != "expert")
    else:
        kept = tuple(p for p in feed.parameters if p.role not in {"linear", "bias"})
    return layer._replace(feed_forward=NoFeedForward(kept))


USUAL_WAIT = Constants().reduce_host
