"""What answers a route, inside a worker: the options of a body → the object of ``--json``.

Every function calls the same function of :mod:`weighbridge.api` as the command line does, and
gives back its ``to_dict()``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from inspect import signature
from typing import Any

from weighbridge import api
from weighbridge.errors import RequestError
from weighbridge.serve.routes import available, files_of

Told = Callable[..., None]
Options = dict[str, Any]
Work = Callable[[str | None, Options, Told], dict[str, Any]]

# The cells of a sweep, the longest context and the most users that one may ask for at once.
MOST_POINTS, LONGEST, MOST_USERS = 20_000, 2**24, 2**16
LONGEST_LOG = 200_000


def do(name: str, model: str | None, options: Options, told: Told) -> dict[str, Any]:
    """The answer of the work called ``name``."""
    for row in available():
        if row.name == name:
            for option in files_of(row):
                _refuse(options, option)
    work = WORK.get(name) or _of_api(name)
    return work(model, options, told)


def _plain(function: Callable[..., Any]) -> Work:
    """A function of the api that takes a model and options."""

    def work(model: str | None, options: Options, told: Told) -> dict[str, Any]:
        del told
        found: dict[str, Any] = function(named(model), **options).to_dict()
        return found

    return work


def _planned(model: str | None, options: Options, told: Told) -> dict[str, Any]:
    del told
    remedies = options.get("remedies") is None or _flag(options, "remedies")
    options.pop("remedies", None)
    return api.plan(named(model), remedies=remedies, **options).to_dict()


def _of_api(name: str) -> Work:
    """A function of the api that is found by its name and may tell how far it is."""
    function = getattr(api, name)
    tells = "on_progress" in signature(function).parameters

    def work(model: str | None, options: Options, told: Told) -> dict[str, Any]:
        first = () if model is None else (model,)
        progress = {"on_progress": told} if tells else {}
        found: dict[str, Any] = function(*first, **progress, **options).to_dict()
        return found

    return work


def named(model: str | None) -> str:
    """The model, which must be named."""
    if model is None:
        raise RequestError("no model was named; give model, or the config of one")
    return model


def _flag(options: Options, name: str) -> bool:
    from weighbridge.options import Option, read_value

    given = options.pop(name, None)
    return given is not None and bool(read_value(Option(name, "", kind="flag"), given))


def _text(options: Options, name: str) -> str | None:
    given = options.pop(name, None)
    if given is not None and not isinstance(given, str):
        raise RequestError(f"{name} is a text, not {type(given).__name__}")
    return given


def _speed(model: str | None, options: Options, told: Told) -> dict[str, Any]:
    del told
    from weighbridge.options import Option, read_value

    remedies = _flag(options, "what_if")
    drafts = options.pop("drafts", None)
    count = 0 if drafts is None else read_value(Option("drafts", "", kind="count"), drafts)
    _refuse(options, "calibration")
    return api.speed(named(model), drafts=count, what_if=remedies, **options).to_dict()


def _refuse(options: Options, name: str) -> None:
    """A parameter of the function that is no option here: it would read a file."""
    if name in options:
        raise RequestError(f"{name} names a file, and a server reads none for a request")


def _train(model: str | None, options: Options, told: Told) -> dict[str, Any]:
    del told
    return api.train(named(model), solve=_solve(options), **options).to_dict()


def _solve(options: Options) -> str | None:
    from weighbridge.options.training import SOLVES

    solve = _text(options, "solve")
    if solve is not None and solve not in SOLVES:
        raise RequestError(f"solve {solve[:40]!r} is not one of {', '.join(SOLVES)}")
    return solve


def _rules(model: str | None, options: Options, told: Told) -> dict[str, Any]:
    del told
    from weighbridge.planner import plan_request
    from weighbridge.request import make_request
    from weighbridge.rules.report import rules_report

    return rules_report(plan_request(make_request(named(model), options))).to_dict()


def _explain(model: str | None, options: Options, told: Told) -> dict[str, Any]:
    del told
    return api.explain(model, term=_text(options, "term"), **options).to_dict()


def _sweep(model: str | None, options: Options, told: Told) -> dict[str, Any]:
    del told
    return api.sweep(named(model), **_grid(options)).to_dict()


def _room(model: str | None, options: Options, told: Told) -> dict[str, Any]:
    del told
    return api.room(named(model), **_grid(options)).to_dict()


def _grid(options: Options) -> dict[str, Any]:
    """The options with the lists of a grid, each within what may be asked for at once."""
    for name in ("input_tokens", "isl", "output_tokens", "osl"):
        if options.pop(name, None) is not None:
            raise RequestError(f"a sweep reads each context as a prompt that fills it; {name} "
                               "is left out")  # fmt: skip
    contexts = _counts(
        options, ("context", "max_model_len"), LONGEST, [2**n for n in range(10, 18)]
    )
    users = _counts(options, ("concurrency", "batch"), MOST_USERS, [1, 2, 4, 8, 16])
    if len(contexts) * len(users) > MOST_POINTS:
        raise RequestError(f"a sweep has at most {MOST_POINTS:,} points here")
    return {**options, "context": contexts, "concurrency": users}


def _counts(options: Options, names: tuple[str, ...], most: int, usual: list[int]) -> list[int]:
    """A list of counts of 1 to ``most``, under any of its names."""
    from weighbridge.units import parse_count

    given = [options.pop(name) for name in names if name in options]
    if len(given) > 1:
        raise RequestError(f"{' and '.join(names)} are the same option; give one")
    if not given or given[0] is None:
        return usual
    values = given[0] if isinstance(given[0], list) else [given[0]]
    if not values or len(values) > MOST_POINTS:
        raise RequestError(f"{names[0]} is a list of 1 to {MOST_POINTS:,} counts")
    counts = [parse_count(value, names[0]) for value in values]
    if min(counts) < 1 or max(counts) > most:
        raise RequestError(f"{names[0]} lies between 1 and {most:,} in a sweep")
    return counts


def _launch_read(model: str | None, options: Options, told: Told) -> dict[str, Any]:
    del told
    from weighbridge.launch import read_command
    from weighbridge.launch.settle import settle, words_of

    command = _text(options, "command")
    if not command:
        raise RequestError("no command was given; command is a text such as vllm serve MODEL")
    launch = read_command(words_of(command), {})
    name, asked, said = settle(launch, model, options)
    return {"schema": 1, "model": name, "options": asked, "launch": said.to_dict()}


def _launch_write(model: str | None, options: Options, told: Told) -> dict[str, Any]:
    del told
    from weighbridge.launch import target_engine, write

    target, engine = _text(options, "target") or "", options.get("engine")
    if engine is not None and not isinstance(engine, str):
        raise RequestError(f"engine is a text, not {type(engine).__name__}")
    options["engine"] = target_engine(target, engine)
    made = api.plan(named(model), **options)
    return {"schema": 1, "target": target, "fits": made.fits, "text": write(made, target)}


def _train_write(model: str | None, options: Options, told: Told) -> dict[str, Any]:
    del told
    from weighbridge.training.emit import emit

    target = _text(options, "target") or ""
    made = api.train(named(model), **options)
    return {"schema": 1, "target": target, "fits": made.fits, "text": emit(made, target)}


def _log_read(model: str | None, options: Options, told: Told) -> dict[str, Any]:
    """What an engine's log says, beside the prediction."""
    del told
    from weighbridge._version import __version__
    from weighbridge.measure.compare import compare
    from weighbridge.measure.logs import read_lines

    text, on = _text(options, "text"), _text(options, "on")
    _nothing_else(options)
    if not text:
        raise RequestError("no log was given; text is what the engine printed")
    if len(text) > LONGEST_LOG:
        raise RequestError(f"a log of {len(text):,} characters is longer than {LONGEST_LOG:,}; "
                           "give the part that speaks of memory")  # fmt: skip
    seen = read_lines(text.splitlines())
    beside = compare(seen, on=on, model=model)
    return {"schema": 1, "version": __version__, "observed": seen.to_dict(),
            "beside": beside.to_dict()}  # fmt: skip


def _models(model: str | None, options: Options, told: Told) -> dict[str, Any]:
    del model, told
    wanted = (_text(options, "text") or "").strip().lower()
    _nothing_else(options)
    rows = [row for row in _every_model()
            if any(wanted in name.lower() for name in (row["id"], *row["names"][1:]))]  # fmt: skip
    return {"schema": 1, "models": rows}


@cache
def _every_model() -> list[dict[str, Any]]:
    from weighbridge.show.catalogue import models_rows

    return models_rows("")[2]


def _model(model: str | None, options: Options, told: Told) -> dict[str, Any]:
    """The card of a model, named or sent."""
    del told
    from weighbridge.model.load import load_model
    from weighbridge.show.model_card import model_card

    _nothing_else(options)
    return model_card(load_model(named(model)))


def _headers(model: str | None, options: Options, told: Told) -> dict[str, Any]:
    """What was sent is a model by now: its handle, and its card."""
    handle = options.pop("handle")
    return {"schema": 1, "model": handle, "card": _model(model, options, told)["model"]}


def _cards(model: str | None, options: Options, told: Told) -> dict[str, Any]:
    del model, told
    from weighbridge.hardware.cards import list_cards
    from weighbridge.hardware.table import card_to_dict
    from weighbridge.units import parse_size

    given: dict[str, Any] = {
        name: _text(options, name) for name in ("text", "vendor", "kind", "architecture")
    }
    for name in ("min_memory", "max_memory"):
        size = options.pop(name, None)
        given[name] = None if size is None else parse_size(size, name)
    _nothing_else(options)
    return {"schema": 1, "cards": [card_to_dict(card) for card in list_cards(**given)]}


def _card(model: str | None, options: Options, told: Told) -> dict[str, Any]:
    del model, told
    from weighbridge.hardware.cards import look_up
    from weighbridge.hardware.table import card_to_dict

    found = look_up(_text(options, "name") or "")
    return {"schema": 1, "card": card_to_dict(found.card), "said": found.said}


def _options(model: str | None, options: Options, told: Told) -> dict[str, Any]:
    del model, told
    from weighbridge.serve.options import options_to_dict

    _nothing_else(options)
    return options_to_dict()


def _nothing_else(options: Mapping[str, Any]) -> None:
    if options:
        raise RequestError(f"there is no option {next(iter(options))[:40]!r} here")


WORK: dict[str, Work] = {
    "plan": _planned,
    "fit": _plain(api.fit),
    "speed": _speed,
    "train": _train,
    "rules": _rules,
    "explain": _explain,
    "sweep": _sweep,
    "room": _room,
    "launch_read": _launch_read,
    "launch_write": _launch_write,
    "train_write": _train_write,
    "log_read": _log_read,
    "headers": _headers,
    "models": _models,
    "model": _model,
    "cards": _cards,
    "card": _card,
    "options": _options,
}
