"""What can be expected of a plan: one row each, with where its figure stands in ``--json``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from weighbridge.errors import RequestError
from weighbridge.units import format_bytes, parse_count, parse_size

Answer = Mapping[str, Any]
Kind = Literal["flag", "size", "count", "seconds", "number"]


class Expectation(NamedTuple):
    """A key of ``expect``: how its value is read, the answer's figure, and which side is right."""

    name: str
    kind: Kind
    what: str
    figure: Callable[[Answer], Any]
    most: bool = False


class Outcome(NamedTuple):
    """An expectation beside the answer; ``holds`` is False where the answer has no such figure."""

    name: str
    holds: bool
    said: str


def _fullest(answer: Answer) -> Any:
    return max((device["total_bytes"] for device in answer["devices"]), default=None)


def _upper(answer: Answer) -> Any:
    return max((device["high"] for device in answer["devices"]), default=None)


def _least_free(answer: Answer) -> Any:
    free = [each["usable_bytes"] - each["total_bytes"] for each in answer["devices"]
            if each["usable_bytes"] is not None]  # fmt: skip
    return min(free, default=None)


def _at(*path: str) -> Callable[[Answer], Any]:
    def figure(answer: Answer) -> Any:
        found: Any = answer
        for name in path:
            found = found.get(name) if isinstance(found, Mapping) else None
        return found

    return figure


def _per_user(answer: Answer) -> Any:
    seconds = _at("speed", "decode", "seconds_per_token")(answer)
    return 1 / seconds if seconds else None


def _certain(answer: Answer) -> Any:
    return answer["verdict"]["sure"] and answer["verdict"]["fits"]


EXPECTATIONS = (
    Expectation("fits", "flag", "it fits", _at("verdict", "fits")),
    Expectation("sure", "flag", "the upper bound fits too", _certain),
    Expectation("device_at_most", "size", "the fullest device's peak", _fullest, most=True),
    Expectation("device_high_at_most", "size", "the upper bound of the fullest device", _upper,
                most=True),
    Expectation("total_at_most", "size", "the peak over all devices", _at("total_bytes"),
                most=True),
    Expectation("host_at_most", "size", "host memory", _at("host", "total_bytes"), most=True),
    Expectation("free_at_least", "size", "what is left on the fullest device", _least_free),
    Expectation("cache_tokens_at_least", "count", "tokens that the cache holds",
                _at("kv", "capacity_tokens")),
    Expectation("concurrency_at_least", "number", "sequences that the cache holds",
                _at("kv", "max_concurrency")),
    Expectation("time_per_token_at_most", "seconds", "time per token",
                _at("speed", "decode", "seconds_per_token"), most=True),
    Expectation("tokens_per_second_at_least", "number", "tokens per second for each user",
                _per_user),
    Expectation("first_token_at_most", "seconds", "time to the first token",
                _at("speed", "prefill", "time_to_first_token", "seconds"), most=True),
    Expectation("step_time_at_most", "seconds", "time of a training step",
                _at("speed", "seconds_per_step"), most=True),
    Expectation("training_tokens_per_second_at_least", "number", "tokens trained on per second",
                _at("speed", "tokens_per_second")),
)  # fmt: skip
ROWS = {row.name: row for row in EXPECTATIONS}
_TIMES = (("ms", 1e-3), ("min", 60.0), ("h", 3600.0), ("s", 1.0))


def read_expectation(name: str, value: object, where: str) -> Any:
    """The value of a key of ``expect``; :class:`RequestError` where it is none."""
    row = ROWS.get(name)
    if row is None:
        raise RequestError(f"{where} expects {name!r}, which is not known; "
                           f"known are {', '.join(ROWS)}")  # fmt: skip
    what = f"{name} of {where}"
    if row.kind == "flag":
        if not isinstance(value, bool):
            raise RequestError(f"{what} is {value!r}; write true or false")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise RequestError(f"{what} is {value!r}, which is no {row.kind}")
    if row.kind == "size":
        return parse_size(value if isinstance(value, str) else str(value), what)
    if row.kind == "count":
        return parse_count(value if isinstance(value, int) else str(value), what)
    return _seconds(value, what) if row.kind == "seconds" else _number(value, what)


def _number(value: float | str, what: str) -> float:
    try:
        found = float(value)
    except ValueError:
        raise RequestError(f"{what} is {value!r}, which is no number") from None
    if not 0 <= found < 1e18:
        raise RequestError(f"{what} is {value!r}; give a number of 0 or more")
    return found


def _seconds(value: float | str, what: str) -> float:
    text = str(value).strip()
    for unit, factor in _TIMES:
        if isinstance(value, str) and text.endswith(unit):
            return _number(text.removesuffix(unit).strip(), what) * factor
    raise RequestError(f"{what} is {value!r}; give a time with its unit: 20ms, 2.5s, 3min or 1h")


def judge(name: str, wanted: Any, answer: Answer) -> Outcome:
    """One expectation beside an answer."""
    row = ROWS[name]
    found = row.figure(answer)
    if found is None:
        return Outcome(name, False, f"{row.what}: this answer has no such figure")
    if row.kind == "flag":
        return Outcome(name, found is wanted, f"{row.what}: {_said(found)}")
    holds = found <= wanted if row.most else found >= wanted
    side = "at most" if row.most else "at least"
    return Outcome(name, holds, f"{row.what}: {_shown(row, found)}, {side} {_shown(row, wanted)}")


def _said(value: object) -> str:
    return "yes" if value else "no"


def _shown(row: Expectation, value: Any) -> str:
    if row.kind == "size":
        return f"−{format_bytes(-value)}" if value < 0 else format_bytes(value)
    if row.kind == "seconds":
        return f"{value * 1000:,.1f} ms" if value < 1 else f"{value:,.2f} s"
    return f"{value:,}" if row.kind == "count" else f"{value:,.1f}"
