"""What commands have in common: the arguments of a request, and how results are printed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

from weighbridge.errors import UnitError
from weighbridge.options import AUTO, ENGINES, Option, engine_options
from weighbridge.options.common import DEPLOYMENT, WORKLOAD
from weighbridge.request import Deployment, Workload
from weighbridge.units import parse_count

KNOWN = "a name, a folder, a config.json, a GGUF file, org/name or a size"
FORMATS = ("auto", "human", "json", "markdown")
Run = Callable[[argparse.Namespace], int]


def add_output(parser: argparse.ArgumentParser) -> None:
    """How to print."""
    group = parser.add_argument_group("output")
    group.add_argument("--format", choices=FORMATS, default="auto", help="how to print")
    group.add_argument("--json", action="store_true", help="the same as --format json")
    group.add_argument(
        "--lang",
        metavar="LANG",
        help="en, tr, fa or zh; fa-u-nu-arabext for Persian digits (default that of LANG)",
    )


def format_of(options: argparse.Namespace) -> str:
    """The format that was asked for."""
    return "json" if options.json else str(options.format)


def add_request(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """The model, the common options, and those of the engine that ``arguments`` names."""
    parser.add_argument("model", metavar="MODEL", help=KNOWN)
    engine = named_engine(arguments)
    own = tuple(engine_options(engine).own.values())
    for title, options, defaults in (
        ("deployment", DEPLOYMENT, Deployment()),
        ("workload", WORKLOAD, Workload()),
        (f"options of {engine} alone", own, None),
    ):
        group = parser.add_argument_group(title) if options else None
        for option in options:
            add_option(group, option, getattr(defaults, option.name, None))


def named_engine(arguments: Sequence[str]) -> str:
    """The engine that a command line names, read before its parser is made."""
    for here, following in zip(arguments, [*arguments[1:], ""], strict=False):
        if here == "--engine" and following:
            return following.partition("==")[0]
        if here.startswith("--engine="):
            return here.partition("=")[2].partition("==")[0]
    return Deployment().engine


def add_option(group: Any, option: Option, default: object) -> None:
    """One row of a table of options as a flag with its aliases."""
    extra: dict[str, Any] = {"metavar": option.metavar or "TEXT"}
    if option.kind == "flag":
        extra = {"action": argparse.BooleanOptionalAction}
    elif option.kind == "count":
        extra["type"] = count(option.flag, *option.aliases, auto=option.auto)
    elif option.name == "on":
        extra["action"] = "append"
    shown = "" if default in (None, False) else f" (default {default})"
    group.add_argument(
        option.flag,
        *option.aliases,
        dest=option.name,
        default=None,
        help=option.help + shown,
        **extra,
    )


def count(*flags: str, auto: bool = False) -> Callable[[str], int]:
    """A reader of counts that names the flags in what it refuses; ``auto`` where the engine may
    find the count."""

    def read(text: str) -> int:
        if auto and text.strip().lower() in {"auto", str(AUTO)}:
            return AUTO
        if text.strip().startswith("-"):
            raise UnitError(f"{'/'.join(flags)} is {text}, but a count is 0 or more")
        return parse_count(text, "/".join(flags))

    return read


def request_options(options: argparse.Namespace, arguments: Sequence[str] = ()) -> dict[str, Any]:
    """The options of a request that were given, by name."""
    own = engine_options(named_engine(arguments)).own
    names = (*Deployment._fields, *Workload._fields, *own)
    given = {name: getattr(options, name, None) for name in names if name != "own"}
    if given["on"] is not None:
        given["on"] = ",".join(given["on"])
    return {name: value for name, value in given.items() if value is not None}


def hint_of(unknown: str) -> str:
    """Which engine has a flag that the parser does not know."""
    flag = unknown.split("=", maxsplit=1)[0].split(maxsplit=1)[0] if unknown.strip() else ""
    for engine in ENGINES:
        for option in engine_options(engine).own.values():
            if flag in (option.flag, *option.aliases):
                return f"; {flag} is an option of {engine}: add --engine {engine}"
    return ""


def print_table(
    options: argparse.Namespace,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    data: dict[str, Any],
    table: Callable[..., str],
    markdown_table: Callable[..., str],
) -> None:
    """A table, or its data as JSON."""
    style = format_of(options)
    if style == "json":
        print_json(data)
    else:
        print((markdown_table if style == "markdown" else table)(header, rows))


def nothing(sentence: str) -> int:
    """Say that a list is empty, which is no error."""
    print(sentence, file=sys.stderr)
    return 0


def print_json(data: dict[str, Any]) -> None:
    """JSON: indented for a person, on one line for a program."""
    import json

    print(json.dumps(data, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None))
