"""Which card, how many, which engine, format and split: a short list under constraints.

Candidates are taken from the cheapest on. One is planned only where its estimate keeps to the
constraints, its part of the weights and the cache could fit, and nothing that is as cheap and as
good is as fast; the plan then decides. So the front holds every candidate that another does not
beat in cost, speed (by more than ``ALIKE``) and quality, as far as what was left out allows, which
is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from math import inf
from typing import Any, NamedTuple

from weighbridge.errors import InputError, RequestError
from weighbridge.formats.format import StorageFormat
from weighbridge.formats.quality import Published, kindred, levels
from weighbridge.hardware.prices import PURCHASE, RENT, Price, Prices, price_of, price_table
from weighbridge.model.facts import Model
from weighbridge.model.load import load_model
from weighbridge.planner import plan_request
from weighbridge.request import DEFAULT_CONTEXT, Request, settle_tokens
from weighbridge.search.candidates import (
    ENGINES,
    Candidate,
    Rig,
    candidates,
    rigs_named,
    rigs_of_table,
    rigs_owned,
)
from weighbridge.search.choice import (
    ALIKE,
    Choice,
    Wish,
    cache_bits,
    cost_of_rig,
    middle,
    short_list,
)
from weighbridge.search.losers import Loser, Row, losers_of
from weighbridge.search.pace import Estimate, Paces, estimate_of
from weighbridge.search.reasons import reasons

MOST_PLANS = 400
# Where no time is asked for: about the pace at which people read, and how long they wait for it.
READING, PATIENCE = 0.1, 10.0
USUAL_OUTPUT = 256
NOT_SEARCHED = (
    "not searched: expert parallelism, weights or cache in host memory, drafts, prices of spot and "
    "reserved machines",
    "not searched: cards of different kinds used together",
)


class Recommendation(NamedTuple):
    """The front, and what was done to find it; ``left_out`` counts what was not planned."""

    request: Request
    model: Model
    wish: Wish
    front: tuple[Choice, ...]
    left_out: Mapping[str, int]
    planned: int
    considered: int
    assumptions: tuple[str, ...]
    published: tuple[Published, ...]
    losers: tuple[Loser, ...]

    @property
    def listed(self) -> tuple[Choice, ...]:
        """The short list: one per rig, in the order that was asked for."""
        return short_list(self.front, self.wish)

    def reasons(self, choice: Choice) -> list[str]:
        """Why a choice of the front is on it, and what to know of it."""
        return reasons(choice, self.front, self.published)

    def __str__(self) -> str:
        from weighbridge.show.recommend import command_of, recommendation_to_text

        return recommendation_to_text(self, command_of)

    def _repr_html_(self) -> str:
        from weighbridge.show.html import text_to_html

        return text_to_html(str(self))

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON prints it."""
        asked = {name: value for name, value in self.wish._asdict().items() if value is not None}
        listed = self.listed
        return {
            "schema": 1,
            "model": {"id": self.model.id, "parameters": self.model.parameters},
            "request": self.request.to_dict(),
            "asked": asked,
            "recommended": [
                {**choice_to_dict(each), "reasons": self.reasons(each)} for each in listed
            ],
            "front": [choice_to_dict(each) for each in self.front],
            "lost": [loser_to_dict(each) for each in self.losers],
            "searched": {
                "considered": self.considered,
                "planned": self.planned,
                "left_out": dict(self.left_out),
            },
            "assumed": list(self.assumptions),
        }


def choice_to_dict(choice: Choice) -> dict[str, Any]:
    """One choice: what it is, its pace, its price, its quality and the request that plans it."""
    candidate, plan = choice.candidate, choice.plan
    fullest = max(plan.devices, key=lambda device: device.total)
    return {
        "on": candidate.rig.name,
        "engine": str(plan.engine),
        "weights": plan.settings["weights"],
        "kv_cache_dtype": candidate.cache,
        "layout": candidate.layout._asdict(),
        "fits": plan.fits,
        "sure": plan.verdict.sure,
        "total_bytes": fullest.total,
        "usable_bytes": fullest.usable,
        "seconds_per_token": choice.pace.tpot,
        "time_to_first_token": choice.pace.ttft,
        "tokens_per_second": choice.tokens_per_second,
        "watts": choice.watts,
        "owned": candidate.rig.owned,
        "price": None if choice.price is None else choice.price.to_dict(),
        "cost": None if choice.cost is None else dict(zip(ENDS, choice.cost, strict=True)),
        "cost_per_million_tokens": None
        if choice.per_million is None
        else dict(zip(ENDS, choice.per_million, strict=True)),
        "quality": {"place": choice.level, "cache_bits": choice.cache_bits},
        "request": choice.request.to_dict(),
    }


def loser_to_dict(loser: Loser) -> dict[str, Any]:
    """An alternative and what is against it."""
    return {
        "what": loser.what,
        "candidate": loser.candidate.said,
        "why": loser.why,
        "because": loser.because,
        "choice": None if loser.choice is None else choice_to_dict(loser.choice),
    }


ENDS = ("low", "high")


def recommend(
    request: Request,
    wish: Wish | None = None,
    engines: Iterable[str] | None = None,
) -> Recommendation:
    """The front for a request; its ``on`` names cards, and None stands for the whole table."""
    wish = wish or Wish()
    model = load_model(request.model)
    if not model.generates:
        raise RequestError(f"{model.id} does not generate, so there is nothing to serve")
    if wish.owned is not None and request.deployment.on is not None:
        raise RequestError("--owned and --on both name cards; give one of them")
    request, assumptions = settled(request, model)
    if wish.tpot is None and wish.ttft is None:
        wish = wish._replace(tpot=READING, ttft=PATIENCE)
        assumptions.append(
            f"at most {READING:g} s per token, about the pace of reading, and {PATIENCE:g} s to "
            "the first are assumed; set them with --tpot and --ttft"
        )
    settle_tokens(request, model.max_positions, generates=True)
    search = _Search(request, model, wish, tuple(engines or ENGINES))
    search.walk()
    front = tuple(search.front)
    listed = short_list(front, wish)
    free = wish.owned is None and request.deployment.on is None
    return Recommendation(
        request, model, wish, front, dict(search.left_out), search.planned, search.considered,
        (*assumptions, *NOT_SEARCHED[: None if several_kinds(wish) else 1]),
        kindred(model.id, model.parameters),
        losers_of(listed, front, wish, search.rows, search.choice, free=free),
    )  # fmt: skip


def settled(request: Request, model: Model) -> tuple[Request, list[str]]:
    """The request with one context and lengths for every engine, and what was assumed."""
    said: list[str] = []
    deployment, workload = request.deployment, request.workload
    if deployment.max_model_len is None and workload.input_tokens is None:
        context = min(DEFAULT_CONTEXT, model.max_positions or DEFAULT_CONTEXT)
        deployment = deployment._replace(max_model_len=context)
        said.append(f"context of {context:,} tokens assumed; set it with --context")
    if workload.output_tokens is None:
        longest = deployment.max_model_len or USUAL_OUTPUT * 2
        output = max(min(USUAL_OUTPUT, longest // 2), 1)
        workload = workload._replace(output_tokens=output)
        said.append(
            f"{output} tokens of output assumed after a prompt that fills the context, the worst "
            "case; set them with --input-tokens and --output-tokens"
            if workload.input_tokens is None
            else f"{output} tokens of output assumed; set them with --output-tokens"
        )
    if deployment.max_model_len is None:
        # llama.cpp would keep room for all that the model was trained with.
        whole = (workload.input_tokens or 0) + (workload.output_tokens or 0)
        deployment = deployment._replace(max_model_len=whole)
    return Request(request.model, deployment, workload), said


def several_kinds(wish: Wish) -> bool:
    """Whether what one has is of more than one card."""
    return wish.owned is not None and len({rig.card for rig in rigs_owned(wish.owned)}) > 1


class _Search:
    """The walk over the candidates, from the cheapest on."""

    def __init__(self, request: Request, model: Model, wish: Wish, engines: tuple[str, ...]):
        self.request, self.model, self.wish, self.engines = request, model, wish, engines
        self.prices: Prices = price_table(wish.prices)
        self.paces = Paces(request, model)
        self.left_out: Counter[str] = Counter()
        self.front: list[Choice] = []
        self.planned = self.considered = 0
        self.rows: list[Row] = []
        self._levels: dict[str, int] = {}
        self._bits: dict[str, float] = {}
        self._room: dict[str, int] = {}

    def price(self, rig: Rig) -> Price | None:
        """The range of offers for one of the rig's cards."""
        return price_of(rig.card, self.wish.kind, self.prices)

    def rigs(self) -> list[Rig]:
        """The rigs that keep to price and power."""
        if self.wish.owned is not None:
            named: tuple[Rig, ...] = rigs_owned(self.wish.owned)
        elif self.request.deployment.on is not None:
            named = rigs_named(self.request.deployment.on)
        else:
            named = rigs_of_table()
        return [rig for rig in named if self._affordable(rig)]

    def _affordable(self, rig: Rig) -> bool:
        wish, card = self.wish, rig.card
        asked = self.request.deployment.on is not None or rig.owned
        for kind, limit in ((RENT, wish.price_per_hour), (PURCHASE, wish.purchase_price)):
            if limit is not None and not rig.owned:
                price = price_of(card, kind, self.prices)
                if price is None:
                    return self._drop(f"machine: no {kind} price known")
                if price.low * rig.size > limit:
                    return self._drop(f"machine: dearer than asked to {kind}")
        if not asked and self.price(rig) is None:
            return self._drop(f"machine: no {wish.kind} price known")
        if wish.power is not None:
            if card.watts is None:
                return self._drop("machine: power not known")
            if card.watts * rig.size > wish.power:
                return self._drop("machine: more power than asked")
        return True

    def _drop(self, why: str) -> bool:
        self.left_out[why] += 1
        return False

    def walk(self) -> None:
        """Candidates by cost, then quality, then estimate; each planned only where it could win."""
        self.rows = [
            Row(middle(cost_of_rig(rig, self.price(rig))), self.quality(each), each, estimate)
            for rig in self.rigs()
            for each in candidates(
                rig, self.engines, self.request.deployment.weights,
                self.request.deployment.kv_cache_dtype, self.request.workload.concurrency,
                self.model,
            )
            if (estimate := self._could(each)) is not None
        ]  # fmt: skip
        self.rows.sort(
            key=lambda row: (row.cost, row.quality, row.pace.tpot, row.candidate.rig.size)
        )
        too_large: set[tuple[Any, ...]] = set()
        for cost, quality, each, estimate in self.rows:
            if self._beaten(cost, quality, estimate):
                self.left_out["another is as cheap, as good and as fast"] += 1
            elif self.planned >= MOST_PLANS:
                self.left_out["not planned: too many were tried"] += 1
            else:
                self._plan(each, too_large)

    def quality(self, candidate: Candidate) -> tuple[float, float]:
        """The place of its weights' format, and of its cache's."""
        if not self._levels:
            names = {name for runs in ENGINES.values() for name in runs.weights}
            names |= {self.request.deployment.weights, "mxfp4_moe"}
            stored = {name: self.paces.storage(name) for name in names}
            known = {each.name: self.bits(each) for each in stored.values() if each is not None}
            places = levels(known, self.model)
            own = stored["auto"]
            # Weights that are stored in few bits lose nothing by being kept as they are.
            best = places[own.name] if own is not None and self.model.quantization else 0
            self._levels = {
                name: max(places[each.name] - best, 0)
                for name, each in stored.items()
                if each is not None
            }
        return self._levels.get(candidate.weights, 99), -cache_bits(candidate.cache)

    def _could(self, candidate: Candidate) -> Estimate | None:
        """The estimate of a candidate that could keep to the wish and fit; None for others."""
        self.considered += 1
        storage = self.paces.storage(candidate.weights)
        if storage is None or self.paces.facts(candidate.engine) is None:
            self._drop("refused by the engine")
        elif self.bits(storage) < self.wish.least_bits:
            self._drop("fewer bits than asked")
        elif self.paces.least(candidate) > self.room(candidate.rig):
            self._drop("matrices and cache alone are larger than the cards")
        else:
            estimate = self.paces.estimate(candidate)
            if estimate is None:
                self._drop("the engine is not timed on the card")
            elif not self.keeps_pace(estimate):
                self._drop("slower than asked")
            else:
                return estimate
        return None

    def bits(self, storage: StorageFormat) -> float:
        """Bits per weight of a format."""
        if storage.name not in self._bits:
            self._bits[storage.name] = storage.bits_per_weight
        return self._bits[storage.name]

    def room(self, rig: Rig) -> int:
        """The most that a program may find on one of the rig's cards."""
        if rig.card.id not in self._room:
            self._room[rig.card.id] = rig.card.usable.high
        return self._room[rig.card.id]

    def keeps_pace(self, pace: Estimate) -> bool:
        """Whether both times are within what was asked."""
        return pace.tpot <= (self.wish.tpot or inf) and pace.ttft <= (self.wish.ttft or inf)

    def _beaten(self, cost: float, quality: tuple[float, float], pace: Estimate) -> bool:
        return any(
            middle(other.cost) <= cost
            and other.quality <= quality
            and other.pace.tpot <= pace.tpot * ALIKE
            for other in self.front
        )

    def _plan(self, candidate: Candidate, too_large: set[tuple[Any, ...]]) -> None:
        """Plan it, and keep it where it fits and keeps to the wish."""
        place = (candidate.rig, candidate.engine, candidate.layout)
        size = self.paces.least(candidate)
        if any(where == place and size >= least for where, least in too_large):
            self.left_out["a smaller one did not fit there"] += 1
            return
        self.planned += 1
        choice = self.choice(candidate)
        if choice is None:
            self.left_out["refused when planned"] += 1
        elif choice.plan.fits is not True:
            too_large.add((place, size))
            self.left_out["did not fit when planned"] += 1
        elif not self.keeps_pace(choice.pace):
            self.left_out["slower than asked when planned"] += 1
        elif self._beaten(middle(choice.cost), choice.quality, choice.pace):
            self.left_out["another is as cheap, as good and as fast"] += 1
        else:
            self.front.append(choice)

    def choice(self, candidate: Candidate) -> Choice | None:
        """The candidate planned; None where the engine refuses the request or is not timed."""
        base = self.request.deployment._replace(on=None)
        request = self.request._replace(
            deployment=candidate.deployment(base, self.request.workload.concurrency)
        )
        try:
            plan = plan_request(request, self.model)
        except InputError:
            return None
        pace = estimate_of(plan)
        if pace is None:
            return None
        level, bits = self.quality(candidate)
        price = None if candidate.rig.owned else self.price(candidate.rig)
        return Choice(candidate, request, plan, pace, price, int(level), -bits)
