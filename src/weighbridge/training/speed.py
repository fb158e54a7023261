"""How long a step takes, and why: operations, memory traffic, messages, the host, the bubble."""

from __future__ import annotations

from typing import Any, NamedTuple

from weighbridge.hardware.card import Card
from weighbridge.hardware.machine import Machine
from weighbridge.hardware.prices import price_of
from weighbridge.term import Basis
from weighbridge.training.activations import stream, tapes
from weighbridge.training.efficiency import (
    HIDDEN_SHARE,
    HOST_BYTES_PER_SECOND,
    NVME_BYTES_PER_SECOND,
    Efficiency,
    efficiency_of,
)
from weighbridge.training.ranks import Stage, stages
from weighbridge.training.setup import CUT_WEIGHTS, Setup
from weighbridge.training.states import states_of
from weighbridge.training.tape import saved
from weighbridge.training.work import Work, work_of

DAY = 86_400
TRAFFIC = 4


class Part(NamedTuple):
    """A part of the step, in seconds, and where it comes from."""

    name: str
    seconds: float
    formula: str


class TrainingSpeed(NamedTuple):
    """One optimizer step; ``mfu`` is the model's operations over what the cards could have done."""

    seconds_per_step: float
    low: float
    high: float
    tokens_per_step: int
    flops_per_token: float
    hardware_flops_per_token: float
    mfu: float
    parts: tuple[Part, ...]
    basis: Basis
    source: str
    dataset_tokens: int | None = None
    devices: int = 1
    price_per_hour: tuple[float, float] | None = None

    @property
    def tokens_per_second(self) -> float:
        """Tokens of all ranks."""
        return self.tokens_per_step / self.seconds_per_step

    @property
    def dataset_seconds(self) -> float | None:
        """Time for the data set."""
        return None if self.dataset_tokens is None else self.dataset_tokens / self.tokens_per_second

    @property
    def cost(self) -> tuple[float, float] | None:
        """Dollars for the data set at the lower and the higher price of a device's hour."""
        if self.dataset_seconds is None or self.price_per_hour is None:
            return None
        hours = self.dataset_seconds / 3600 * self.devices
        return hours * self.price_per_hour[0], hours * self.price_per_hour[1]

    def to_dict(self) -> dict[str, Any]:
        """The shape of ``--json``."""
        return {
            "seconds_per_step": self.seconds_per_step,
            "low": self.low,
            "high": self.high,
            "tokens_per_second": self.tokens_per_second,
            "tokens_per_day": self.tokens_per_second * DAY,
            "flops_per_token": self.flops_per_token,
            "hardware_flops_per_token": self.hardware_flops_per_token,
            "mfu": self.mfu,
            "parts": [part._asdict() for part in self.parts],
            "dataset_seconds": self.dataset_seconds,
            "cost_usd": self.cost,
            "basis": self.basis,
            "source": self.source,
        }

    def facts(self) -> list[tuple[str, str]]:
        """Two sentences for the terminal."""
        longest = sorted(self.parts, key=lambda part: -part.seconds)[:3]
        share = ", ".join(f"{part.name} {part.seconds / self.seconds_per_step:.0%}"
                          for part in longest if part.seconds > 0)  # fmt: skip
        said = (
            f"{_time(self.seconds_per_step)} a step, between {_time(self.low)} and "
            f"{_time(self.high)} · {self.tokens_per_second:,.0f} tokens/s · "
            f"{self.tokens_per_second * DAY / 1e9:,.3g} billion a day · {self.mfu:.0%} MFU · "
            f"{share}"
        )
        lines = [("speed", said)]
        if self.dataset_seconds is not None:
            text = f"{_time(self.dataset_seconds)} for {self.dataset_tokens:,} tokens"
            if self.cost is not None:
                low, high = self.cost
                text += f" · ${low:,.0f}" + (f" to ${high:,.0f}" if high > low else "")
            lines.append(("data", text))
        return lines


def _time(seconds: float) -> str:
    for size, unit in ((DAY, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:,.2f} s" if seconds >= 0.1 else f"{seconds * 1000:,.2f} ms"


def training_speed(setup: Setup, machine: Machine | None) -> TrainingSpeed | None:
    """The step on the slowest of the named cards; None where no rate is stated."""
    if machine is None:
        return None
    used = machine.devices[: setup.ranks.world]
    kind = "bf16" if setup.regime.compute == 2 else "tf32"
    rates = [card.flops(kind) or card.flops("fp16") for card in used]
    if not all(rates) or not all(card.bandwidth for card in used):
        return None
    card = used[rates.index(min(rate for rate in rates if rate))]
    rate = min(rate for rate in rates if rate)
    fit = efficiency_of(card.compute_capability)
    work = work_of(setup)
    parts = _parts(setup, machine, card, rate, fit, work)
    seconds = sum(part.seconds for part in parts)
    asked, ranks = setup.training, setup.ranks
    sequences = asked.micro_batch * asked.grad_accumulation * ranks.data
    tokens = sequences * setup.length
    possible = rate * seconds * ranks.world
    price = asked.price_per_hour
    prices = (price, price) if price is not None else None
    offered = price_of(card)
    if prices is None and offered is not None:
        prices = (offered.low, offered.high)
    return TrainingSpeed(
        seconds, seconds * fit.fast, seconds * fit.slow, tokens,
        work.model / setup.length, (work.products + work.mixing) / setup.length,
        sequences * work.model / possible, parts, "assumed", fit.source,
        asked.dataset_tokens, ranks.world, prices,
    )  # fmt: skip


def _parts(setup: Setup, machine: Machine, card: Card, rate: int, fit: Efficiency,
           work: Work) -> tuple[Part, ...]:  # fmt: skip
    """Seconds of each part of one step on one rank."""
    asked, ranks = setup.training, setup.ranks
    share = asked.micro_batch * asked.grad_accumulation / (ranks.world / ranks.data)
    products_seconds = work.products * share / (rate * fit.products)
    mixing_seconds = work.mixing * share / (rate * fit.mixing)
    streams = (card.bandwidth or 1) * fit.streams
    moved = _moved(setup) * asked.grad_accumulation / streams
    compute = products_seconds + mixing_seconds + moved
    update = _update(setup, streams)
    messages = _messages(setup, machine)
    exposed = max(messages.hidden - HIDDEN_SHARE * compute, 0.0) + messages.waited
    host = _host(setup, card)
    gaps = (compute + update) * (fit.gaps - 1)
    v = asked.virtual_stages if asked.pipeline_schedule == "interleaved" else 1
    bubble = compute * (ranks.pipeline - 1) / (asked.grad_accumulation * v)
    return (
        Part("products", products_seconds,
             "operations with weights / (rate × share that products reach)"),
        Part("attention", mixing_seconds, "operations of mixing / (rate × share of attention)"),
        Part("memory traffic", moved, f"{TRAFFIC} × bytes saved by layers and loss / bandwidth"),
        Part("optimizer", update, "bytes of states, gradients, weights / bandwidth"),
        Part("messages", exposed, "collectives beyond what computing hides / link"),
        Part("host", host, "bytes to and from host memory / PCIe, and the update there"),
        Part("bubble", bubble, "(stages − 1) / (micro-batches × virtual stages)"),
        Part("gaps", gaps, "launches, small kernels, waits"),
    )  # fmt: skip


def _stage(setup: Setup) -> Stage:
    """The first stage: the one that is as long as any."""
    return stages(setup.model, setup.ranks.pipeline)[0]


def _moved(setup: Setup) -> float:
    """Bytes that layers and the loss read and write of one micro-batch: what is saved is written
    once and read again, and its gradients likewise."""
    total = 0.0
    for _, count, tape in tapes(setup, _stage(setup)):
        total += count * int(saved(tape.ops)) * setup.tokens
    logits = setup.tokens * -(-setup.model.vocab // setup.ranks.tensor)
    fused = setup.loss.name in {"cut", "liger"}
    return TRAFFIC * (total + (4 if fused else 10) * logits)


def _update(setup: Setup, streams: float) -> float:
    """The step reads and writes weights, gradients and states once each."""
    if setup.training.offload != "none":
        return 0.0
    states = states_of(setup, _stage(setup))
    moved = 2 * (states.optimizer + states.master) + states.gradients + 2 * states.adapters
    if setup.trains_base:
        moved += 2 * states.weights
    return moved / streams


class Messages(NamedTuple):
    """Seconds that computing can hide, and those that it waits for."""

    hidden: float
    waited: float


def _messages(setup: Setup, machine: Machine) -> Messages:
    ranks, asked = setup.ranks, setup.training
    link = machine.link_of(range(ranks.world))
    if link is None or not link.bytes_per_second:
        return Messages(0.0, 0.0)
    states = states_of(setup, _stage(setup))
    n, steps = ranks.shards, asked.grad_accumulation
    part = (n - 1) / n
    size = 0.0
    if setup.sharding in CUT_WEIGHTS:
        gathered = states.held * setup.regime.compute
        if setup.storage is not None:
            gathered = states.weights * n
        size += 2 * gathered * part * steps
        size += states.trained * setup.regime.reduced * part * steps
    elif n > 1:
        size += 2 * states.whole_gradients * part
    waited = 0.0
    if ranks.tensor > 1:
        inner = machine.link_of(range(ranks.tensor)) or link
        layers = len(_stage(setup).layers)
        one = setup.tokens * setup.model.hidden * setup.regime.compute
        fraction = 2 * (ranks.tensor - 1) / ranks.tensor
        waited = 4 * layers * one * fraction * steps / (inner.bytes_per_second or 1)
    return Messages(size / link.bytes_per_second, waited)


def _host(setup: Setup, card: Card) -> float:
    """Traffic of offload: gradients down and weights up for the update, layers' weights for each
    pass, inputs of offloaded checkpoints."""
    pcie = card.pcie_bandwidth or 16 * 10**9
    asked, seconds = setup.training, 0.0
    states = states_of(setup, _stage(setup))
    if asked.offload != "none":
        updated = states.optimizer + states.master + states.gradients
        seconds += (states.gradients + states.weights) / pcie
        place = NVME_BYTES_PER_SECOND if asked.offload == "nvme" else HOST_BYTES_PER_SECOND
        seconds += 2 * updated / place
    if asked.offload in {"all", "nvme"}:
        seconds += 2 * states.weights * asked.grad_accumulation / pcie
    if setup.checkpointing == "offloaded":
        inputs = len(_stage(setup).layers) * int(stream(setup))
        seconds += 2 * inputs * asked.grad_accumulation / pcie * (1 - HIDDEN_SHARE)
    return seconds
