"""The pace of many candidates: what they share is worked out once.

The numbers are those of the plan (``planner``): the same functions of the same facts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from weighbridge.engine.storage import settle_storage
from weighbridge.errors import InputError
from weighbridge.formats.format import StorageFormat
from weighbridge.model.facts import Model
from weighbridge.planner import Plan, plan_request
from weighbridge.request import Request
from weighbridge.search.candidates import Candidate
from weighbridge.speed.ask import CHUNKS, Answer
from weighbridge.speed.constants import constants_of, platform_of
from weighbridge.speed.kernels import kernels_of
from weighbridge.speed.rates import rates_of
from weighbridge.speed.serve import Load, Setting, timed, works_of
from weighbridge.speed.shape import shape_of
from weighbridge.speed.step import Cost
from weighbridge.speed.work import Cached, Work

HALF_CACHES = {"fp8", "q8_0", "int8"}
HELD = {"linear", "expert"}


class Estimate(NamedTuple):
    """Seconds per token and to the first token."""

    tpot: float
    ttft: float


class Probe(NamedTuple):
    """What an engine says of a request where no card is named."""

    plan: Plan
    sequence: int


class Paces:
    """Estimates of one request's candidates, with what they share kept."""

    def __init__(self, request: Request, model: Model) -> None:
        self.request, self.model = request, model
        self._probes: dict[str, Probe | None] = {}
        self._storages: dict[str, StorageFormat | None] = {}
        self._held: dict[str, int] = {}
        self._works: dict[tuple[Any, ...], tuple[Work, Work]] = {}
        self._costs: dict[tuple[Any, ...], Cost | None] = {}
        self._loads: dict[str, Load] = {}

    def probe(self, engine: str) -> Probe | None:
        """The engine's facts of the cache; None where it refuses the model or the lengths."""
        if engine not in self._probes:
            deployment = self.request.deployment._replace(on=None, engine=engine, own={})
            try:
                plan = plan_request(self.request._replace(deployment=deployment), self.model)
                self._probes[engine] = Probe(plan, int(plan.cache.bytes_per_sequence))
            except InputError:
                self._probes[engine] = None
        return self._probes[engine]

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
        storage, probe = self._facts(candidate)
        if storage is None or probe is None:
            return 0
        if storage.name not in self._held:
            self._held[storage.name] = sum(
                storage.bytes_of(parameter) * count
                for parameter, count in self.model.every_parameter()
                if parameter.role in HELD
            )
        # llama.cpp states the cache of all its slots for one that may use it alone.
        shared = candidate.engine.startswith("llama.cpp")
        kept = probe.sequence * (1 if shared else self.request.workload.concurrency)
        kept = kept // 2 if candidate.cache in HALF_CACHES else kept
        layout = candidate.layout
        return (self._held[storage.name] * layout.data + kept) // layout.ranks

    def estimate(self, candidate: Candidate) -> Estimate | None:
        """Its pace; None where the engine is not timed on the card, or it is refused."""
        storage, probe = self._facts(candidate)
        if storage is None or probe is None:
            return None
        cache = probe.plan.cache
        element = 1 if candidate.cache in HALF_CACHES else cache.element_bytes
        cost = self._cost(candidate, storage, element)
        if cost is None:
            return None
        kept = (candidate.engine, storage.name, candidate.layout, element)
        if kept not in self._works:
            shape = shape_of(self.model, storage, candidate.layout)
            setting = Setting(shape, cost, self._load(candidate), Cached(element, cache.streams))
            self._works[kept] = works_of(setting)
        step, prompt = self._works[kept]
        pace = timed(self._load(candidate), cost, step, prompt, candidate.layout.data)
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
        engine, probe = candidate.engine, self.probe(candidate.engine)
        if engine not in self._loads and probe is not None:
            tokens, request = probe.plan.tokens, self.request
            chunk = request.deployment.max_num_batched_tokens or CHUNKS.get(_name(engine), 8192)
            self._loads[engine] = Load(
                request.workload.concurrency, max(tokens.prompt, 1), max(tokens.output, 1), chunk
            )
        return self._loads[engine]

    def _facts(self, candidate: Candidate) -> tuple[StorageFormat | None, Probe | None]:
        return self.storage(candidate.weights), self.probe(candidate.engine)


def _name(engine: str) -> str:
    return engine.partition("==")[0]


def estimate_of(plan: Plan) -> Estimate | None:
    """The pace that a plan states; None where it is only a floor."""
    if not isinstance(plan.speed, Answer):
        return None
    pace = plan.speed.pace
    return Estimate(float(pace.decode.seconds), float(pace.first))
