"""Options of a recommendation → the request, what it must keep to, and the engines to search."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from weighbridge.errors import RequestError
from weighbridge.options import Option, read_value
from weighbridge.options.recommend import MODELS, WISHES
from weighbridge.request import ALIASES, Request, make_request
from weighbridge.search.candidates import ENGINES
from weighbridge.search.choice import Wish

ASKED = ("on", "weights", "kv_cache_dtype", "max_model_len", "input_tokens", "output_tokens",
         "concurrency")  # fmt: skip
MAY_BE_ZERO = frozenset({"margin", "tokens_per_second", "least_bits", "price_per_hour"})


class Limits(NamedTuple):
    """What a model must keep to on a card, and how many are listed."""

    margin: float = 0.05
    tokens_per_second: float = 10.0
    text: str = ""
    least_bits: float = 4.0
    most: int = 3


def read_wish(
    model: str, options: Mapping[str, Any]
) -> tuple[Request, Wish, tuple[str, ...] | None]:
    """What is asked of one model; raises RequestError on what cannot be meant."""
    rest, wished = _taken(options, WISHES)
    engines, request = _request(model, rest)
    return request, Wish(**wished), engines


def read_limits(options: Mapping[str, Any]) -> tuple[Request, Limits, tuple[str, ...] | None]:
    """What is asked of all models on a card."""
    rest, limits = _taken(options, MODELS)
    for option in WISHES:
        if option.name in rest:
            raise RequestError(f"{option.flag} is asked of one model; name it")
    engines, request = _request("", rest)
    if request.deployment.on is None:
        raise RequestError("name a model, or a card with --on to see which models run well on it")
    return request, Limits(**limits), engines


def _taken(
    options: Mapping[str, Any], table: Iterable[Option]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is left of the options, and those of the table as they are held."""
    rest = {name: value for name, value in options.items() if value is not None}
    held = {row.name: read_value(row, rest.pop(row.name)) for row in table if row.name in rest}
    for name, value in held.items():
        if value == 0 and name not in MAY_BE_ZERO:
            raise RequestError(f"{name} is 0, which nothing keeps to")
    return rest, held


def _request(model: str, options: dict[str, Any]) -> tuple[tuple[str, ...] | None, Request]:
    engine = options.pop("engine", None)
    for name in options:
        if ALIASES.get(name, name) not in ASKED:
            raise RequestError(
                f"a recommendation does not take {name}: it looks for what is best; plan with it"
            )
    request = make_request(model, {**options, "engine": "vllm"})
    return None if engine is None else _engines(engine), request


def _engines(text: str | Iterable[str]) -> tuple[str, ...]:
    names = text.split(",") if isinstance(text, str) else list(text)
    names = [name.strip().lower() for name in names]
    for name in names:
        if name.partition("==")[0] not in ENGINES:
            raise RequestError(
                f"engine {name[:40]!r} is not searched; searched are {', '.join(ENGINES)}, whose "
                "times can be compared"
            )
    return tuple(dict.fromkeys(names))
