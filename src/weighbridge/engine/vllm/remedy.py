"""A change under which vLLM starts, each tried on the engine itself before it is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from weighbridge.engine import DeviceSpending, Question, Refusal, Spending
from weighbridge.engine.vllm.capacity import longest
from weighbridge.engine.vllm.setup import Setup
from weighbridge.errors import InputError
from weighbridge.hardware.card import Card
from weighbridge.memory.context import process_context
from weighbridge.units import minimum

SMALLER = ("fp8", "nf4")


class Change(NamedTuple):
    """An option's value, and the question asked with it."""

    option: str
    value: str
    question: Question


def with_way_out(
    setup: Setup, refused: Refusal, blocks: int, ask: Callable[[Question], Spending]
) -> Refusal:
    """The refusal with the first change under which the engine starts; as it is where none does."""
    for change in _changes(setup, blocks):
        try:
            spending = ask(change.question)
        except InputError:
            continue
        if spending.refusal is None and _holds(change.question, spending):
            size = max(_peak(device) for device in spending.devices)
            return refused._replace(option=change.option, value=change.value, bytes=size)
    return refused


def _peak(device: DeviceSpending) -> int:
    always = sum(term.bytes for term in device.resident)
    return always + max(sum(term.bytes for term in terms) for terms in device.phases.values())


def _holds(question: Question, spending: Spending) -> bool:
    """Whether the pool holds the sequences that were asked for, and the cards everything."""
    for device in spending.devices:
        if _peak(device) > question.cards[device.index].usable_bytes:
            return False
    room = spending.capacity
    return room is None or room.sequences is None or room.sequences >= question.concurrency


def _changes(setup: Setup, blocks: int) -> Iterator[Change]:
    question = setup.question
    wanted = question.deployment.kv_cache_dtype
    if wanted not in {"auto", setup.compute}:
        yield _changed(question, "kv_cache_dtype", "auto", kv_cache_dtype="auto")
    fitting = longest(setup, blocks, setup.length - 1)
    if fitting:
        yield shorter(setup, fitting)
    share = largest_share(setup.cards)
    if share != setup.utilization:
        yield _changed(
            question, "gpu_memory_utilization", f"{share:g}", gpu_memory_utilization=share
        )
    if setup.sequences > 64:
        yield _changed(question, "max_num_seqs", "64", max_num_seqs=64)
    for name in SMALLER:
        if setup.model.quantization is None:
            yield _changed(question, "weights", name, weights=name)
    used = setup.layout.ranks
    for tensor in (2, 4, 8):
        if tensor * setup.layout.pipeline * setup.layout.data <= len(question.cards) and (
            tensor > setup.layout.tensor and used < len(question.cards)
        ):
            yield _changed(
                question, "tensor_parallel_size", str(tensor), tensor_parallel_size=tensor
            )


def _changed(question: Question, option: str, value: str, **fields: Any) -> Change:
    deployment = question.deployment._replace(**fields)
    return Change(option, value, question._replace(deployment=deployment))


def shorter(setup: Setup, length: int) -> Change:
    """A shorter ``max_model_len``, every sequence filling it, as is assumed where only one of
    prompt and output is given."""
    question, tokens = setup.question, setup.question.tokens
    prompt = minimum(tokens.prompt, length)
    tokens = tokens._replace(prompt=prompt, output=length - prompt + 1)
    return _changed(
        question._replace(tokens=tokens), "max_model_len", str(length), max_model_len=length
    )


def largest_share(cards: tuple[Card, ...]) -> float:
    """The utilization, in hundredths, that a card without other programs still allows."""
    shares = [
        int((card.usable_bytes - process_context(card).high) * 100 // card.usable_bytes)
        for card in cards
    ]
    return min(shares, default=90) / 100
