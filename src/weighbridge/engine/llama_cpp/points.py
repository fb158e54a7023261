"""A question of many points (lengths or users as arrays) → one answer for each, side by side.

llama.cpp's buffers follow from laying out a graph, which no array can do at once; points that need
the same context are laid out once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from weighbridge.engine import DeviceSpending, Question, Spending
from weighbridge.records import replace
from weighbridge.term import Term


def by_points(question: Question, spend: Callable[[Question], Spending]) -> Spending:
    """The answer; its terms hold arrays where the question does."""
    tokens, users = question.tokens, question.concurrency
    shape = next(
        (v.shape for v in (tokens.prompt, tokens.output, users) if hasattr(v, "shape")), None
    )
    if shape is None:
        return spend(question)
    import numpy

    columns = [
        numpy.broadcast_to(numpy.asarray(v, dtype=numpy.int64), shape).reshape(-1)
        for v in (tokens.prompt, tokens.output, users)
    ]
    seen: dict[tuple[int, ...], Spending] = {}
    answers = []
    for point in zip(*columns, strict=True):
        key = tuple(int(value) for value in point)
        if key not in seen:
            prompt, output, count = key
            here = tokens._replace(prompt=prompt, output=output)
            deployment = question.deployment._replace(max_model_len=prompt + output - 1)
            seen[key] = spend(
                question._replace(tokens=here, concurrency=count, deployment=deployment)
            )
        answers.append(seen[key])
    return _joined(answers, shape)


def _joined(answers: Sequence[Spending], shape: tuple[int, ...]) -> Spending:
    first = answers[0]
    devices = tuple(
        _device([answer.devices[index] for answer in answers], shape)
        for index in range(len(first.devices))
    )
    return first._replace(devices=devices, capacity=None, refusal=None, log=())


def _device(devices: Sequence[DeviceSpending], shape: tuple[int, ...]) -> DeviceSpending:
    names = list(dict.fromkeys(term.name for device in devices for term in device.resident))
    found = [_term([_of(device.resident, name) for device in devices], shape) for name in names]
    return replace(devices[0], resident=tuple(found))


def _of(terms: Sequence[Term], name: str) -> Term:
    mine = [term for term in terms if term.name == name]
    if not mine:
        return Term(name, 0, "resident", 0, 0, 0, "config", "none here")
    sizes = [sum(getattr(term, field) for term in mine) for field in ("bytes", "low", "high")]
    return mine[0]._replace(bytes=sizes[0], low=sizes[1], high=sizes[2])


def _term(terms: Sequence[Term], shape: tuple[int, ...]) -> Term:
    import numpy

    def column(field: str) -> Any:
        values = [getattr(term, field) for term in terms]
        return numpy.array(values, dtype=numpy.int64).reshape(shape)

    return terms[0]._replace(bytes=column("bytes"), low=column("low"), high=column("high"))
