"""Which models of the catalogue run well on a card: they fit with room to spare, and fast enough.

How good a model's answers are is not known here: within a group the newest stand first.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from weighbridge.errors import InputError, RequestError
from weighbridge.hardware.card import Card
from weighbridge.model import catalog
from weighbridge.model.facts import Model
from weighbridge.model.load import load_model
from weighbridge.planner import Plan, plan_request
from weighbridge.request import Request
from weighbridge.search.candidates import ENGINES, Candidate, Rig, able, candidates, rigs_named
from weighbridge.search.pace import Estimate, Paces, estimate_of
from weighbridge.search.recommend import settled
from weighbridge.search.wishes import Limits

SIZES = ((4, "up to 4B"), (15, "4B to 15B"), (40, "15B to 40B"), (100, "40B to 100B"))
LARGEST = "over 100B"
_CODE = r"(?i)code|coder|codestral|devstral|starcoder"


class Kept(NamedTuple):
    """A model that runs well: in which format, what stays free, and its pace."""

    id: str
    released: str
    use: str
    size: str
    model: Model
    request: Request
    plan: Plan
    weights: str
    free: float
    pace: Estimate

    def to_dict(self) -> dict[str, Any]:
        """The row as JSON prints it."""
        return {
            "id": self.id,
            "released": self.released or None,
            "parameters": self.model.parameters,
            "active_parameters": self.model.active_parameters,
            "weights": self.weights,
            "free_share": self.free,
            "tokens_per_second": 1 / self.pace.tpot,
            "time_to_first_token": self.pace.ttft,
            "request": self.request.to_dict(),
        }


class Shelf(NamedTuple):
    """The models that run well on a rig, by use and size; ``left_out`` counts the others."""

    rig: Rig
    engine: str
    limits: Limits
    request: Request
    groups: Mapping[tuple[str, str], tuple[Kept, ...]]
    left_out: Mapping[str, int]
    assumptions: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON prints it."""
        return {
            "schema": 1,
            "on": self.rig.name,
            "engine": self.engine,
            "asked": self.limits._asdict(),
            "groups": [
                {"use": use, "size": size, "models": [each.to_dict() for each in rows]}
                for (use, size), rows in self.groups.items()
            ],
            "left_out": dict(self.left_out),
            "assumed": list(self.assumptions),
        }


def models_for(
    request: Request, limits: Limits | None = None, engines: tuple[str, ...] | None = None
) -> Shelf:
    """The models that run well on the one card, or the one machine, of ``request``."""
    limits = limits or Limits()
    rig = rigs_named(str(request.deployment.on))[0]
    if len(engines or ()) > 1:
        raise RequestError("name one engine: the models are compared on it")
    engine = engines[0] if engines else usual_engine(rig.card)
    left_out: Counter[str] = Counter()
    groups: dict[tuple[str, str], list[Kept]] = {}
    said: list[str] = []
    for row, model in _newest_first(limits.text):
        key = group_of(row, model)
        if len(groups.get(key, ())) >= limits.most:
            left_out["not looked at: the group is full"] += 1
            continue
        asked, said = settled(request._replace(model=row.id), model)
        found = best_format(asked, model, rig, engine, limits)
        if isinstance(found, str):
            left_out[found] += 1
        else:
            plan, weights, free, pace = found
            kept = Kept(row.id, row.released, *key, model, plan.request, plan, weights, free, pace)
            groups.setdefault(key, []).append(kept)
    order = [name for _, name in SIZES] + [LARGEST]
    keys = sorted(groups, key=lambda key: (key[0], order.index(key[1])))
    notes = (*said, "how good a model is, is not known here: the newest stand first")
    return Shelf(rig, engine, limits, request, {key: tuple(groups[key]) for key in keys},
                 dict(left_out), notes)  # fmt: skip


def usual_engine(card: Card) -> str:
    """vLLM where a card can run it, llama.cpp elsewhere."""
    runs = ENGINES["vllm"]
    served = card.vendor in runs.vendors and able(runs, card, "auto", runs.weights["auto"])
    return "vllm" if served and card.kind == "discrete" else "llama.cpp"


def _ways(rig: Rig, engine: str, model: Model) -> list[Candidate]:
    """Formats of an engine on a rig, in its first layout and with the cache as it is."""
    every = list(candidates(rig, (engine,), "auto", "auto", 1, model))
    return [each for each in every if each.layout == every[0].layout and each.cache == "auto"]


def _newest_first(text: str) -> Iterator[tuple[catalog.Row, Model]]:
    rows = [row for row in catalog.rows() if text.lower() in row.id.lower()]
    for row in sorted(rows, key=lambda row: row.released, reverse=True):
        model = load_model(row.id)
        if model.generates:
            yield row, model


def group_of(row: catalog.Row, model: Model) -> tuple[str, str]:
    """What a model takes in, or what it is for, and the class of its size."""
    sees = any(tower.name == "vision" for tower in model.towers)
    use = "text and images" if sees else "code" if re.search(_CODE, row.id) else "text"
    billions = model.parameters / 1e9
    return use, next((name for most, name in SIZES if billions <= most), LARGEST)


def best_format(
    request: Request, model: Model, rig: Rig, engine: str, limits: Limits
) -> tuple[Plan, str, float, Estimate] | str:
    """The format of most bits that keeps to the limits, planned; else why none does."""
    paces = Paces(request, model)
    try:
        ways = by_bits(_ways(rig, engine, model), paces)
    except InputError:
        return "its files do not say how weights are stored"
    room = rig.card.usable.high * rig.size
    if ways and min(paces.matrices(each.weights)[0] for each in ways) > room:
        return "does not fit"
    if paces.facts(engine) is None:
        return "refused by the engine"
    why = "no format of the engine runs on the card"
    for each in ways:
        if paces.least(each) > rig.card.usable.high * (1 - limits.margin):
            why = "does not fit"
            continue
        estimate = paces.estimate(each)
        if estimate is None or estimate.tpot * limits.tokens_per_second > 1:
            why = "too slow"
            continue
        base = request.deployment._replace(on=None)
        try:
            plan = plan_request(
                request._replace(deployment=each.deployment(base, request.workload.concurrency)),
                model,
            )
        except InputError:
            return "refused by the engine"
        pace, free = estimate_of(plan), free_share(plan)
        if plan.fits is not True or free < limits.margin:
            why = "does not fit"
        elif pace is None or pace.tpot * limits.tokens_per_second > 1:
            why = "too slow"
        elif storage_bits(paces, each) >= limits.least_bits or each.weights == "auto":
            return plan, plan.settings["weights"], free, pace
        else:
            why = "only in fewer bits than asked"
    return why


def by_bits(ways: Iterable[Candidate], paces: Paces) -> list[Candidate]:
    """The ways in the order of their bits; those that are refused left out."""
    found = [(paces.storage(each.weights), each) for each in ways]
    known = [(storage.bits_per_weight, each) for storage, each in found if storage is not None]
    return [each for _, each in sorted(known, key=lambda pair: -pair[0])]


def storage_bits(paces: Paces, candidate: Candidate) -> float:
    """Bits per weight of the format that a candidate means for this model."""
    storage = paces.storage(candidate.weights)
    return 0.0 if storage is None else storage.bits_per_weight


def free_share(plan: Plan) -> float:
    """The share of the fullest device beside what the request needs.

    An engine that takes a pool holds more than that: what its sequences do not fill counts as free.
    """
    shares = []
    for device in plan.devices:
        held = sum(t.bytes for t in device.terms if t.name in {"kv_cache", "state"})
        room = plan.capacity.sequences
        used = min(1.0, plan.request.workload.concurrency / room) if room else 1.0
        needed = device.total - held + int(held * used)
        shares.append(1 - needed / (device.usable or 1))
    return min(shares)
