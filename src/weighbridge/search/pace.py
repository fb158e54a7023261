"""The pace of many candidates: what they share is worked out once.

The numbers are those of the plan (``planner``): the same functions of the same facts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from weighbridge.engine import Engine, default_context, parse_engine
from weighbridge.engine.layout import Layout
from weighbridge.engine.storage import settle_storage
from weighbridge.errors import InputError
from weighbridge.formats.format import StorageFormat
from weighbridge.memory.cache import Streams, cache_elements, own_streams
from weighbridge.model.facts import Model, Parameter
from weighbridge.planner import Plan, plan_request
from weighbridge.request import Request, Tokens, settle_tokens
from weighbridge.search.candidates import ENGINES, Candidate
from weighbridge.speed.ask import CHUNKS, Answer
from weighbridge.speed.constants import constants_of, platform_of
from weighbridge.speed.kernels import kernels_of
from weighbridge.speed.rates import rates_of
from weighbridge.speed.serve import Load, Setting, timed, works_of
from weighbridge.speed.shape import shape_of
from weighbridge.speed.step import Cost
from weighbridge.speed.work import Cached, Work

# Engines that keep what the model says, in the cache's type, and whose plan takes longest.
LISTED = ("llama.cpp",)
HALF_CACHES = {"fp8", "q8_0", "int8"}
HELD = {"linear", "expert"}


class Estimate(NamedTuple):
    """Seconds per token and to the first token."""

    tpot: float
    ttft: float


class Facts(NamedTuple):
    """What an engine makes of the request whatever the card: lengths, and what it caches."""

    tokens: Tokens
    element_bytes: int
    streams: Streams
    sequence: int


class Paces:
    """Estimates of one request's candidates, with what they share kept."""

    def __init__(self, request: Request, model: Model) -> None:
        self.request, self.model = request, model
        self._facts: dict[str, Facts | None] = {}
        self._storages: dict[str, StorageFormat | None] = {}
        self._held: dict[str, tuple[int, int]] = {}
        self._works: dict[tuple[Any, ...], tuple[Work, Work]] = {}
        self._costs: dict[tuple[Any, ...], Cost | None] = {}
        self._loads: dict[str, Load] = {}

    def facts(self, engine: str) -> Facts | None:
        """Lengths and cache under an engine; None where it refuses the model or the lengths."""
        if engine not in self._facts:
            try:
                named = parse_engine(engine)
                made = self._listed(named) if named.name in LISTED else self._planned(engine)
                self._facts[engine] = made
            except InputError:
                self._facts[engine] = None
        return self._facts[engine]

    def _planned(self, engine: str) -> Facts:
        """As the engine's own plan says, where no card is named."""
        deployment = self.request.deployment._replace(on=None, engine=engine, own={})
        plan = plan_request(self.request._replace(deployment=deployment), self.model)
        cache = plan.cache
        return Facts(plan.tokens, cache.element_bytes, cache.streams, int(cache.bytes_per_sequence))

    def _listed(self, engine: Engine) -> Facts:
        """Without its graph, for an engine whose cache has no pool and whose plan is long."""
        model = self.model
        tokens = settle_tokens(self.request, model.max_positions, generates=model.generates,
                               default=default_context(engine, model))  # fmt: skip
        kept = cache_elements(model.layer_groups(), tokens.cached)
        return Facts(tokens, 2, own_streams, int(kept) * 2)

    def storage(self, weights: str) -> StorageFormat | None:
        """The format of the weights for this model; None where it is refused."""
        if weights not in self._storages:
            try:
                found = settle_storage(self.model, weights, [])[0]
                self._storages[weights] = found.for_model(self.model)
            except InputError:
                self._storages[weights] = None
        return self._storages[weights]

    def least(self, candidate: Candidate) -> int:
        """Bytes that the fullest device cannot do without: its part of matrices and cache.

        Embeddings, heads and everything an engine adds are left out, so that nothing that fits is
        ever above it.
        """
        facts, layout = self.facts(candidate.engine), candidate.layout
        kept = 0 if facts is None else facts.sequence * self.request.workload.concurrency
        kept = kept // 2 if candidate.cache in HALF_CACHES else kept
        every, experts = self.matrices(candidate.weights)
        # Replicas may share experts out among each other (vLLM does).
        return ((every - experts) * layout.data + experts + kept) // layout.ranks

    def matrices(self, weights: str) -> tuple[int, int]:
        """Bytes of the layers' matrices in a format, and the experts' of them."""
        storage = self.storage(weights)
        if storage is None:
            return 0, 0
        if storage.name not in self._held:
            held = [
                (parameter, count)
                for parameter, count in self.model.every_parameter()
                if parameter.role in HELD and len(parameter.shape) > 1
            ]
            experts = [row for row in held if row[0].role == "expert"]
            self._held[storage.name] = _bytes(held, storage), _bytes(experts, storage)
        return self._held[storage.name]

    def estimate(self, candidate: Candidate) -> Estimate | None:
        """Its pace; None where the engine is not timed on the card, or it is refused."""
        storage, cache = self.storage(candidate.weights), self.facts(candidate.engine)
        if storage is None or cache is None:
            return None
        element = 1 if candidate.cache in HALF_CACHES else cache.element_bytes
        cost = self._cost(candidate, storage, element)
        if cost is None:
            return None
        # llama.cpp's layers run one card after the other.
        ranks = ENGINES[_name(candidate.engine)].ranks
        layout = candidate.layout if ranks else Layout(pipeline=candidate.rig.size)
        kept = (candidate.engine, storage.name, layout, element)
        if kept not in self._works:
            shape = shape_of(self.model, storage, layout)
            setting = Setting(shape, cost, self._load(candidate), Cached(element, cache.streams))
            self._works[kept] = works_of(setting)
        step, prompt = self._works[kept]
        pace = timed(self._load(candidate), cost, step, prompt, layout.data)
        return Estimate(float(pace.decode.seconds), float(pace.first))

    def _cost(self, candidate: Candidate, storage: StorageFormat, element: float) -> Cost | None:
        """What a card's kernels cost an engine; None where it is not timed there."""
        card, engine = candidate.rig.card, _name(candidate.engine)
        key = (engine, card.id, storage.name, element)
        if key not in self._costs:
            fitted = constants_of(engine, platform_of(card.vendor))
            kernels = kernels_of(engine, card, storage, element)
            rates = rates_of(card, kernels.linear, kernels.expert)
            known = fitted is not None and rates is not None
            narrow = storage.value_bits < 16
            self._costs[key] = (
                Cost(fitted.constants, kernels, rates, narrow)  # type: ignore[union-attr, arg-type]
                if known else None
            )  # fmt: skip
        return self._costs[key]

    def _load(self, candidate: Candidate) -> Load:
        """The request's load as the engine cuts its prompts."""
        engine, facts = candidate.engine, self.facts(candidate.engine)
        if engine not in self._loads and facts is not None:
            tokens, request = facts.tokens, self.request
            chunk = request.deployment.max_num_batched_tokens or CHUNKS.get(_name(engine), 8192)
            self._loads[engine] = Load(
                request.workload.concurrency, max(tokens.prompt, 1), max(tokens.output, 1), chunk
            )
        return self._loads[engine]


def _bytes(held: Iterable[tuple[Parameter, int]], storage: StorageFormat) -> int:
    """Bytes of parameters, or less.

    No tensor of a mixture that is considered is in fewer bits than the type that names it, and to
    ask for each layer's type takes far longer.
    """
    if storage.by_layer:
        return int(sum(p.elements * count for p, count in held) * storage.bits_per_weight / 8)
    return sum(storage.bytes_of(parameter) * count for parameter, count in held)


def _name(engine: str) -> str:
    return engine.partition("==")[0]


def estimate_of(plan: Plan) -> Estimate | None:
    """The pace that a plan states; None where it is only a floor."""
    if not isinstance(plan.speed, Answer):
        return None
    pace = plan.speed.pace
    return Estimate(float(pace.decode.seconds), float(pace.first))
