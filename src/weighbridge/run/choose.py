"""Which format and which placement: the best quality that fits, by plans alone.

Formats come in the order of their quality: as stored, 16 bit, int8, nf4 with double quantization.
One that lies on the devices whole comes before any that spills to host memory or disk, because
every pass would wait for what is elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from weighbridge.errors import InputError
from weighbridge.memory.context import process_context
from weighbridge.model.facts import Model
from weighbridge.planner import Plan, plan_request
from weighbridge.request import make_request
from weighbridge.run.here import Room
from weighbridge.units import GIB, format_bytes

QUANTIZED = ("int8", "nf4-dq")
BY_BITSANDBYTES = (*QUANTIZED, "nf4")
ON_HOST = "whole on host memory"
FULL = ("auto", "fp32", "bf16", "fp16")
ATTEMPTS = 4
HOST_KEPT = GIB


class Tried(NamedTuple):
    """One way of loading, what its fullest device would hold, and why it was not taken."""

    weights: str
    placement: str
    total: int
    why: str


class Choice(NamedTuple):
    """What is loaded and where; ``device_map`` and ``max_memory`` as Transformers takes them."""

    plan: Plan
    weights: str
    placement: str
    device_map: Any
    max_memory: Mapping[int | str, int] | None
    tried: tuple[Tried, ...] = ()

    @property
    def resident(self) -> int:
        """Bytes at the peak over all devices."""
        return self.plan.total


class Refused(NamedTuple):
    """Nothing fits: the reason, and what would help."""

    because: str
    remedies: tuple[str, ...]
    tried: tuple[Tried, ...]


def choose(name: str, model: Model, room: Room, options: Mapping[str, Any]) -> Choice | Refused:
    """The first way that fits; ``options`` are those of a request, perhaps with ``weights``."""
    tried: list[Tried] = []
    formats = formats_of(name, model, options)
    for weights in formats:
        if weights in BY_BITSANDBYTES and not room.quantizes:
            tried.append(Tried(weights, "whole", 0, "bitsandbytes is not installed"))
            continue
        plan = _planned(name, model, room, {**options, "weights": weights})
        if plan.fits:
            return _whole(plan, room, weights, tried)
        tried.append(Tried(weights, "whole", _fullest(plan), plan.verdict.because))
    for weights in formats:
        if weights in FULL:
            found = _spilled(name, model, room, {**options, "weights": weights}, tried)
            if found is not None:
                return found
    return _refused(name, room, tried)


def formats_of(name: str, model: Model, options: Mapping[str, Any]) -> tuple[str, ...]:
    """The formats to try, best first; the named one alone, and a quantized checkpoint as it is."""
    wanted = options.get("weights", "auto")
    if wanted != "auto":
        return (str(wanted),)
    if model.quantization:
        return ("auto",)
    given = {k: v for k, v in options.items() if k != "weights"}
    stored = plan_request(make_request(name, given), model).settings["weights"]
    halved = ("bf16",) if stored == "fp32" else ()
    return ("auto", *halved, *QUANTIZED)


def _planned(name: str, model: Model, room: Room, options: Mapping[str, Any]) -> Plan:
    return plan_request(make_request(name, options), model, room.machine)


def _fullest(plan: Plan) -> int:
    return max(device.total for device in plan.devices)


def _whole(plan: Plan, room: Room, weights: str, tried: list[Tried]) -> Choice:
    """Everything on the devices: one place, or balanced over several cards."""
    count = len(plan.devices)
    place: Any = "auto" if count > 1 else {"": "cpu" if room.on_host else 0}
    words = f"spread over {count} devices" if count > 1 else f"whole on {plan.devices[0].name}"
    return Choice(plan, weights, words, place, None, tuple(tried))


def _spilled(
    name: str, model: Model, room: Room, options: Mapping[str, Any], tried: list[Tried]
) -> Choice | None:
    """Layers beyond the devices in host memory, and beyond that on disk."""
    plan = _planned(name, model, room, options)
    spare = [_beside_weights(device) for device in plan.devices]
    host = 0 if room.on_host else max(0, room.host - HOST_KEPT)
    for _ in range(ATTEMPTS):
        limits = {
            index: (card.usable_bytes or 0) - spare[index]
            for index, card in enumerate(room.machine.devices)
        }
        if min(limits.values()) <= 0:
            break
        text = ",".join(f"{index}={size}B" for index, size in limits.items())
        asked = {**options, "device_map": "sequential", "max_memory": f"{text},cpu={host}B"}
        try:
            plan = _planned(name, model, room, asked)
        except InputError as error:
            tried.append(Tried(options["weights"], "spilled", 0, str(error)))
            return None
        if plan.fits and _runs_something(plan):
            return _spill_choice(plan, room, str(options["weights"]), limits, host, tried)
        over = [max(0, device.total - (device.usable or 0)) for device in plan.devices]
        spare = [size + more for size, more in zip(spare, over, strict=True)]
        if not any(over):
            break
    tried.append(Tried(str(options["weights"]), "spilled", _fullest(plan), plan.verdict.because))
    return None


def _runs_something(plan: Plan) -> bool:
    """Whether at least one block lies on the first device; accelerate asks for that."""
    return any(term.name == "weights" and term.bytes for term in plan.devices[0].terms)


def _beside_weights(device: Any) -> int:
    """What the device needs beside the weights that lie on it."""
    held = sum(term.bytes for term in device.terms if term.name == "weights")
    return max(int(device.total - held), process_context(device.card).typical)


def _spill_choice(
    plan: Plan, room: Room, weights: str, limits: Mapping[int, int], host: int, tried: list[Tried]
) -> Choice:
    places: dict[int | str, int] = {"cpu": limits[0] if room.on_host else host}
    if not room.on_host:
        places = {**dict(limits.items()), **places}
    elsewhere = [note for note in plan.assumptions if " lie " in note]
    words = "; ".join(note.partition(" and ")[0] for note in elsewhere) or "spilled"
    return Choice(plan, weights, words, "sequential", places, tuple(tried))


def _refused(name: str, room: Room, tried: list[Tried]) -> Refused:
    known = [each for each in tried if each.total]
    has = sum(card.usable_bytes for card in room.machine.devices)
    where = "host memory" if room.on_host else room.machine.name
    if not known:
        said = tried[0].why if tried else "no format can be loaded"
        return Refused(f"{name} cannot be loaded here: {said}", ("pip install bitsandbytes",),
                       tuple(tried))  # fmt: skip
    least = min(known, key=lambda each: each.total)
    because = (
        f"{name} needs {format_bytes(least.total)} on its fullest device even as {least.weights}, "
        f"and {where} has {format_bytes(has)} to spare"
    )
    remedies = ["a shorter prompt or fewer --max-new-tokens", "a smaller model",
                f"a device with {format_bytes(least.total)} free (`weigh {name} --on CARD` plans "
                "it)"]  # fmt: skip
    if not room.quantizes:
        remedies.insert(0, "pip install bitsandbytes, for int8 and nf4")
    return Refused(because, tuple(remedies), tuple(tried))
