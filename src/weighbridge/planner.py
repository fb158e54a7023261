"""Request → Plan: the table of contents. It walks the rooms from the model to the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from weighbridge._version import __version__
from weighbridge.engine import (
    CacheFacts,
    Capacity,
    DeviceSpending,
    Engine,
    Question,
    Refusal,
    Spending,
    default_context,
    parse_engine,
    spend,
    stated_context,
)
from weighbridge.formats.format import StorageFormat
from weighbridge.hardware.card import Card
from weighbridge.hardware.machine import Machine, parse_machine
from weighbridge.memory.own import NONE
from weighbridge.model.facts import Model
from weighbridge.model.load import load_model
from weighbridge.records import record
from weighbridge.request import Request, Tokens, settle_tokens
from weighbridge.speed.fitted import FITTED
from weighbridge.speed.roofline import Speed, speed_floor
from weighbridge.term import Basis, Phase, Term, spoken, weakest
from weighbridge.units import format_bytes

if TYPE_CHECKING:
    from weighbridge.speed.ask import Answer
    from weighbridge.speed.constants import Fitted

SCHEMA = 1


@record
class DevicePlan:
    """One device: its terms at the phase in which it holds most, and what it could hold.

    ``terms`` are those of the peak; ``phases`` keeps the terms of every phase.
    """

    name: str
    index: int
    card: Card | None
    phase: Phase
    terms: tuple[Term, ...]
    phases: Mapping[Phase, tuple[Term, ...]]
    bounds: tuple[int, int] | None = None

    @property
    def total(self) -> int:
        """Bytes at the peak."""
        return sum(term.bytes for term in self.terms)

    @property
    def low(self) -> int:
        """The least it can be, in the phase where that is most."""
        if self.bounds is not None:
            return self.bounds[0]
        return max(sum(term.low for term in terms) for terms in self.phases.values())

    @property
    def high(self) -> int:
        """The most it can be, in the phase where that is most."""
        if self.bounds is not None:
            return self.bounds[1]
        return max(sum(term.high for term in terms) for terms in self.phases.values())

    @property
    def capacity(self) -> int | None:
        """The card's memory as the driver or, failing that, the maker states it."""
        if self.card is None:
            return None
        return self.card.driver_total_bytes or self.card.marketed_memory

    @property
    def usable(self) -> int | None:
        """What an application can allocate of it."""
        return None if self.card is None else self.card.usable_bytes

    @property
    def fits(self) -> bool | None:
        """Whether the total is within what is usable; None without a card."""
        return None if self.usable is None else self.total <= self.usable


class Remedy(NamedTuple):
    """A change of one option that makes the plan fit, and the bytes the fullest device then has."""

    option: str
    value: str
    total: int
    why: str


class Verdict(NamedTuple):
    """Whether it fits, why, and what would make it fit; ``sure`` if the bounds agree."""

    fits: bool | None
    sure: bool
    because: str
    remedies: tuple[Remedy, ...] = ()


@record
class Weighing:
    """What every answer has: a model on devices, a ledger for each, and a verdict."""

    model: Model
    machine: Machine | None
    devices: tuple[DevicePlan, ...]
    verdict: Verdict
    assumptions: tuple[str, ...]
    host: DevicePlan | None

    @property
    def total(self) -> int:
        """Bytes at the peak, over all devices."""
        return sum(device.total for device in self.devices)

    @property
    def low(self) -> int:
        """The least the total can be."""
        return sum(device.low for device in self.devices)

    @property
    def high(self) -> int:
        """The most the total can be."""
        return sum(device.high for device in self.devices)

    @property
    def terms(self) -> tuple[Term, ...]:
        """The ledger: every term of every device at its peak."""
        return tuple(term for device in self.devices for term in device.terms)

    @property
    def fits(self) -> bool | None:
        """Whether every device holds its part; None where no card was named."""
        return self.verdict.fits

    @property
    def basis(self) -> Basis:
        """The weakest rung of the ladder among the terms."""
        return weakest([term.basis for term in self.terms])

    def term(self, name: str) -> int:
        """Bytes of the terms of this name over all devices at their peaks."""
        return sum(term.bytes for term in self.terms if term.name == name)


@record
class Plan(Weighing):
    """The answer: what each device holds, why, and whether it fits."""

    request: Request
    engine: Engine
    tokens: Tokens
    cache: CacheFacts
    capacity: Capacity
    settings: Mapping[str, str]
    speed: Speed | Answer | None = None
    log: tuple[str, ...] = ()
    version: str = __version__

    @property
    def context(self) -> int:
        """Tokens that a sequence may have: a prompt that fills it counts no further token."""
        return int(self.tokens.context if self.tokens.output > 1 else self.tokens.prompt)

    def to_dict(self) -> dict[str, Any]:
        """The plan as ``--json`` prints it."""
        from weighbridge.show.json import plan_to_dict

        return plan_to_dict(self)

    def __str__(self) -> str:
        from weighbridge.show.text import plan_to_text

        return plan_to_text(self)

    def _repr_html_(self) -> str:
        from weighbridge.show.html import plan_to_html

        return plan_to_html(self)

    def _repr_markdown_(self) -> str:
        from weighbridge.show.markdown import plan_to_markdown

        return plan_to_markdown(self)


def plan_request(
    request: Request, model: Model | None = None, machine: Machine | None = None
) -> Plan:
    """The plan of a request; ``model`` saves reading it again when many are asked of one model.

    ``machine`` takes the place of the one that the request names: one that was found here.
    """
    engine = parse_engine(request.deployment.engine)
    if machine is None and request.deployment.on is not None:
        machine = parse_machine(request.deployment.on)
    model = load_model(request.model) if model is None else model
    tokens = settle_tokens(
        _with_context(request, stated_context(engine, request.deployment)),
        model.max_positions,
        generates=model.generates,
        default=default_context(engine, model),
    )
    question = Question(
        model,
        engine,
        request.deployment,
        tokens,
        request.workload.concurrency,
        machine.devices if machine else (),
    )
    spending = spend(question)
    tokens = spending.tokens or tokens
    question = question._replace(tokens=tokens)
    devices = tuple(_device(each, machine) for each in spending.devices)
    timed, said = own_times(question)
    return Plan(
        request=request,
        model=model,
        engine=engine,
        tokens=tokens,
        machine=machine,
        devices=devices,
        cache=spending.cache,
        capacity=spending.capacity or _capacity(request, tokens, devices),
        verdict=_verdict(request, devices, spending),
        assumptions=_assumptions(model, tokens, machine, spending, said),
        settings=spending.settings,
        speed=_speed(question, devices, spending, timed),
        log=spending.log,
        host=None if spending.host is None else _host(spending.host),
    )


def _with_context(request: Request, stated: int | None) -> Request:
    """The request with the context that the engine's own options say."""
    if stated is None:
        return request
    return request._replace(deployment=request.deployment._replace(max_model_len=stated))


def own_times(question: Question) -> tuple[Fitted | None, tuple[str, ...]]:
    """Constants of time of the calibration that was named, and what the plan says of it."""
    named = question.deployment.calibration
    if named in (None, NONE) or not question.cards or question.engine.name not in FITTED:
        return None, ()
    from weighbridge.speed.calibration import speed_for

    fitted, said = speed_for(str(named), question.engine.name, question.cards[0].id)
    return fitted, (said,) if said else ()


def _speed(
    question: Question,
    devices: tuple[DevicePlan, ...],
    spending: Spending,
    own: Fitted | None,
) -> Speed | Answer | None:
    """Modelled where the engine has constants; else the floor on the machine's stated rates."""
    if not question.cards or spending.storage is None:
        return None
    if question.engine.name in FITTED and question.model.generates:
        from weighbridge.speed.constants import constants_of, platform_of

        vendor = question.cards[0].vendor
        if constants_of(question.engine.name, platform_of(vendor)) is not None:
            return modelled(question, spending, spending.storage, own)
    held = [
        (
            sum(term.bytes for term in device.terms if term.name == "weights"),
            _held(device.phases.get("decode", ())),
        )
        for device in devices
    ]
    dtype = spending.settings["activations"]
    used = question._replace(cards=tuple(device.card for device in devices if device.card))
    layout = spending.layout
    at_once = layout.tensor * layout.data
    return speed_floor(used, spending.storage, spending.cache, dtype, held, at_once)


def modelled(
    question: Question, spending: Spending, storage: StorageFormat, own: Fitted | None
) -> Answer | None:
    """What the question's engine would run, timed."""
    from weighbridge.speed.ask import CHUNKS, TIED, Subject, answer

    name, deployment = question.engine.name, question.deployment
    layout, cards = spending.layout, len(question.cards)
    if name in TIED and layout.ranks == 1:
        layout = layout._replace(pipeline=cards)
    subject = Subject(
        question.model,
        storage,
        name,
        question.cards,
        layout,
        question.tokens,
        spending.cache.element_bytes,
        question.concurrency,
        deployment.max_num_batched_tokens or CHUNKS.get(name, 8192),
        streams=spending.cache.streams,
    )
    return answer(subject, own)


def _device(spending: DeviceSpending, machine: Machine | None) -> DevicePlan:
    card = machine.devices[spending.index] if machine else None
    return _held_by(spending, card.name if card else "any device", card)


def _host(spending: DeviceSpending) -> DevicePlan:
    """Host memory, of which no size is known: it is stated, and no verdict hangs on it."""
    return _held_by(spending, "host memory", None)


def _held_by(spending: DeviceSpending, name: str, card: Card | None) -> DevicePlan:
    phases = {phase: (*spending.resident, *terms) for phase, terms in spending.phases.items()}
    peak = max(phases, key=lambda phase: sum(term.bytes for term in phases[phase]))
    return DevicePlan(name, spending.index, card, peak, phases[peak], phases, spending.bounds)


NO_CARD = Verdict(None, False, "no card was named; add --on CARD to see whether it fits")


def _verdict(request: Request, devices: tuple[DevicePlan, ...], spending: Spending) -> Verdict:
    if any(device.usable is None for device in devices):
        return NO_CARD
    if spending.refusal is not None:
        return _refused(spending.refusal, devices)
    wanted, room = request.workload.concurrency, spending.capacity
    if room is not None and room.sequences is not None and room.sequences < wanted:
        return Verdict(
            False,
            True,
            f"it starts, and its cache holds {room.sequences:.2f} of {wanted:,} sequences; "
            "the others would wait or be preempted",
        )
    return weighed_verdict(devices)


def weighed_verdict(devices: tuple[DevicePlan, ...]) -> Verdict:
    """Whether every device holds its part, by its bytes alone."""
    if any(device.usable is None for device in devices):
        return NO_CARD
    short = [device for device in devices if not device.fits]
    if short:
        worst = max(short, key=lambda device: device.total - (device.usable or 0))
        missing = worst.total - (worst.usable or 0)
        sure = any(each.card is not None and each.low > each.card.usable_high for each in short)
        return Verdict(
            False,
            sure,
            f"{worst.name} can hold {format_bytes(worst.usable or 0)} and would need "
            f"{format_bytes(worst.total)} in {spoken(worst.phase)}: {format_bytes(missing)} "
            "too much",
        )
    fullest = min(devices, key=lambda device: (device.usable or 0) - device.total)
    spare = (fullest.usable or 0) - fullest.total
    sure = all(each.card is not None and each.high <= each.card.usable_low for each in devices)
    return Verdict(
        True,
        sure,
        f"{format_bytes(fullest.total)} of {format_bytes(fullest.usable or 0)} on {fullest.name}, "
        f"{format_bytes(spare)} to spare at the peak, in {spoken(fullest.phase)}",
    )


def _refused(refusal: Refusal, devices: tuple[DevicePlan, ...]) -> Verdict:
    if not refusal.option:
        return Verdict(False, True, refusal.message)
    fullest = max(device.total for device in devices)
    changes = ((refusal.option, refusal.value), *refusal.others)
    why, size = "the engine starts with it", refusal.bytes or fullest
    remedies = tuple(Remedy(option, value, size, why) for option, value in changes)
    return Verdict(False, True, refusal.message, remedies)


def _capacity(request: Request, tokens: Tokens, devices: tuple[DevicePlan, ...]) -> Capacity:
    """Room left by all terms but the cache on the tightest device, in sequences and in tokens."""
    if not all("decode" in device.phases for device in devices):
        return Capacity(None, None)
    if any(device.usable is None for device in devices):
        return Capacity(None, None)
    sequences = min(
        (
            _sequences(device, request.workload.concurrency)
            for device in devices
            if _held(device.phases["decode"])
        ),
        default=None,
    )
    return Capacity(None if sequences is None else int(sequences * tokens.cached), sequences)


def _held(terms: tuple[Term, ...]) -> int:
    return sum(term.bytes for term in terms if term.name in {"kv_cache", "state"})


def _sequences(device: DevicePlan, concurrency: int) -> float:
    """How many sequences the device's room holds if nothing but the cache grew."""
    room = (device.usable or 0) - device.total + _held(device.terms)
    return max(room, 0) * concurrency / _held(device.phases["decode"])


def _assumptions(
    model: Model,
    tokens: Tokens,
    machine: Machine | None,
    spending: Spending,
    said: tuple[str, ...],
) -> tuple[str, ...]:
    every = (
        *model.notes,
        *tokens.notes,
        *(machine.notes if machine else ()),
        *spending.notes,
        *said,
    )
    return tuple(dict.fromkeys(every))
