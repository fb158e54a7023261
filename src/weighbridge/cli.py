"""The command line: reads arguments, calls the rooms, prints. No arithmetic.

Only the sub-command that is asked for is built, and only the rooms it needs are imported.
Standard output is data, standard error is words; exit code 0 says that it fits (or that no card
was named), 1 that it does not, 2 that the input was bad.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NoReturn

from weighbridge._version import __version__
from weighbridge.errors import HardwareError, InputError, ModelReferenceError, UnitError
from weighbridge.request import DEPLOYMENT, WORKLOAD, Deployment, Option, Workload
from weighbridge.units import parse_count

SUMMARY = "How much GPU memory a language model takes, before you load it."
KNOWN = "a name, a folder, a config.json, a GGUF file, org/name or a size"
COMMANDS = {
    "plan": "what a model takes, on which card it fits, and why (the default)",
    "sweep": "totals over contexts and concurrencies",
    "rules": "what well-known rules of thumb say beside the plan, and how far off they are",
    "models": "the models of the catalogue",
    "cards": "the accelerators of the table",
    "card": "one accelerator in full, or one model",
    "doctor": "what this machine has",
}
FORMATS = ("auto", "human", "json", "markdown")


class Help(argparse.HelpFormatter):
    """Help as wide as the terminal says, without the modules that ask the terminal."""

    def __init__(self, prog: str) -> None:
        columns = os.environ.get("COLUMNS", "")
        super().__init__(prog, width=int(columns) - 2 if columns.isdecimal() else 98)


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one sentence."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage."""
        raise InputError(f"{message}; see `{self.prog} --help`")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(arguments)
    except InputError as error:
        print(f"weigh: error: {_one_line(str(error))}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(_help())
        return 0
    if arguments[0] in {"-V", "--version"}:
        print(f"weigh {__version__}")
        return 0
    name = arguments.pop(0) if arguments[0] in COMMANDS else "plan"
    parser = Parser(
        prog="weigh" if name == "plan" else f"weigh {name}",
        description=COMMANDS[name],
        allow_abbrev=False,
        formatter_class=Help,
    )
    run = _BUILDERS[name](parser)
    _add_output(parser)
    return run(parser.parse_args(arguments))


def _help() -> str:
    commands = "\n".join(f"  {name:<8} {text}" for name, text in COMMANDS.items())
    return (
        f"weigh {__version__}. {SUMMARY}\n\n"
        "usage: weigh MODEL [--on CARD] [options]\n       weigh COMMAND …\n\n"
        "MODEL is a catalogue name (llama-3.1-8b), a folder, a config.json, a GGUF file, a\n"
        "repository of the Hub (org/name, hf:org/name@revision, org/name:Q4_K_M of GGUF files),\n"
        "BASE+ADAPTER, or a size (7B).\n\n"
        f"commands:\n{commands}\n\n"
        "examples:\n"
        "  weigh llama-3.1-8b --on rtx-4090\n"
        "  weigh ./my-model --on 2xH100 --context 32k --concurrency 8 --why\n"
        "  weigh qwen3-30b-a3b --on rtx-4090 --weights nf4 --json\n\n"
        "`weigh plan --help` lists the options of a plan."
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("output")
    group.add_argument("--format", choices=FORMATS, default="auto", help="how to print")
    group.add_argument("--json", action="store_true", help="the same as --format json")


def _format_of(options: argparse.Namespace) -> str:
    return "json" if options.json else str(options.format)


def _add_request(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help=KNOWN)
    for title, options, defaults in (
        ("deployment", DEPLOYMENT, Deployment()),
        ("workload", WORKLOAD, Workload()),
    ):
        group = parser.add_argument_group(title)
        for option in options:
            _add_option(group, option, getattr(defaults, option.name))


def _add_option(group: Any, option: Option, default: object) -> None:
    flag = "--" + option.name.replace("_", "-")
    extra: dict[str, Any] = {"type": _count(flag, *option.aliases)} if option.counts else {}
    if option.name == "on":
        extra["action"] = "append"
    shown = "" if default is None else f" (default {default})"
    group.add_argument(
        flag,
        *option.aliases,
        dest=option.name,
        default=None,
        metavar=option.metavar,
        help=option.help + shown,
        **extra,
    )


def _count(*flags: str) -> Callable[[str], int]:
    def read(text: str) -> int:
        if text.strip().startswith("-"):
            raise UnitError(f"{'/'.join(flags)} is {text}, but a count is 0 or more")
        return parse_count(text, "/".join(flags))

    return read


def _request_options(options: argparse.Namespace) -> dict[str, Any]:
    names = (*Deployment._fields, *Workload._fields)
    given = {name: getattr(options, name, None) for name in names}
    if given["on"] is not None:
        given["on"] = ",".join(given["on"])
    return {name: value for name, value in given.items() if value is not None}


def _plan_command(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    _add_request(parser)
    parser.add_argument(
        "--why", action="store_true", help="open every number: formula, inputs, source"
    )

    def run(options: argparse.Namespace) -> int:
        from weighbridge.api import plan

        made = plan(options.model, **_request_options(options))
        style = _format_of(options)
        if style == "json":
            _print_json(made.to_dict())
        elif style == "markdown":
            from weighbridge.show.markdown import plan_to_markdown

            print(plan_to_markdown(made))
        else:
            from weighbridge.show.style import encodable, wants_colour
            from weighbridge.show.text import plan_to_text

            colour = wants_colour(sys.stdout)
            text = plan_to_text(made, why=options.why, colour=colour)
            print(encodable(text, sys.stdout.encoding))
        return 1 if made.fits is False else 0

    return run


def _sweep_command(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    _add_request(parser)
    for action in parser._actions:
        if action.dest in {"max_model_len", "concurrency"}:
            action.type = _counts(*action.option_strings)
            action.help = f"{action.help}; several, with commas"

    def run(options: argparse.Namespace) -> int:
        from weighbridge.api import sweep
        from weighbridge.show.sweep import sweep_rows, sweep_to_text
        from weighbridge.show.tables import markdown_table

        given = _request_options(options)
        for name in ("input_tokens", "output_tokens"):
            if name in given:
                raise InputError("a sweep reads each context as a prompt that fills it; "
                                 f"leave --{name.replace('_', '-')} out")  # fmt: skip
        contexts = given.pop("max_model_len", None) or [2**n for n in range(10, 18)]
        concurrencies = given.pop("concurrency", None) or [1, 2, 4, 8, 16]
        grid = sweep(options.model, context=contexts, concurrency=concurrencies, **given)
        style = _format_of(options)
        if style == "json":
            _print_json(grid.to_dict())
        elif style == "markdown":
            print(markdown_table(*sweep_rows(grid)))
        else:
            print(sweep_to_text(grid))
        return 0

    return run


def _counts(*flags: str) -> Callable[[str], list[int]]:
    one = _count(*flags)

    def read(text: str) -> list[int]:
        return [one(part) for part in text.split(",")]

    return read


def _rules_command(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    _add_request(parser)
    parser.add_argument("--why", action="store_true", help="sources, and when each rule fails")

    def run(options: argparse.Namespace) -> int:
        from weighbridge.planner import plan_request
        from weighbridge.request import make_request
        from weighbridge.rules import rules_for
        from weighbridge.rules.text import rules_to_text

        made = plan_request(make_request(options.model, _request_options(options)))
        results = rules_for(made)
        if _format_of(options) == "json":
            _print_json(
                {
                    "schema": 1,
                    "version": __version__,
                    "model": {"id": made.model.id, "parameters": made.model.parameters},
                    "rules": [result.to_dict() for result in results],
                }
            )
        else:
            print(rules_to_text(made, results, why=options.why))
        return 0

    return run


def _models_command(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    parser.add_argument("text", nargs="?", default="", help="only names that contain this")

    def run(options: argparse.Namespace) -> int:
        from weighbridge.show.catalogue import models_rows
        from weighbridge.show.tables import markdown_table, table

        header, rows, records = models_rows(options.text)
        _print_table(options, header, rows, {"schema": 1, "models": records},
                     table, markdown_table)  # fmt: skip
        return 0 if rows else _nothing(f"no model of the catalogue contains {options.text!r}")

    return run


def _cards_command(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    from weighbridge.units import parse_size

    parser.add_argument("text", nargs="?", default=None, help="only names that contain this")
    parser.add_argument("--vendor", help="NVIDIA, AMD, Intel, Apple, Google, AWS")
    parser.add_argument("--kind", help="discrete, laptop, unified or accelerator")
    parser.add_argument("--architecture", help="Hopper, Ada Lovelace, CDNA3, …")
    for flag in ("--min-memory", "--max-memory"):
        parser.add_argument(
            flag, type=partial(parse_size, what=flag), metavar="SIZE", help="such as 24GiB"
        )

    def run(options: argparse.Namespace) -> int:
        from weighbridge.hardware.cards import list_cards
        from weighbridge.hardware.table import card_to_dict, cards_table
        from weighbridge.show.tables import markdown_table, table

        cards = list_cards(
            vendor=options.vendor,
            kind=options.kind,
            architecture=options.architecture,
            min_memory=options.min_memory,
            max_memory=options.max_memory,
            text=options.text,
        )
        header, *rows = cards_table(cards)
        data = {"schema": 1, "cards": [card_to_dict(card) for card in cards]}
        _print_table(options, header, rows, data, table, markdown_table)
        return 0 if rows else _nothing("no card of the table answers to that")

    return run


def _card_command(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    parser.add_argument(
        "name", metavar="NAME", help="a card's id, alias or marketed name; or a model"
    )

    def run(options: argparse.Namespace) -> int:
        from weighbridge.hardware.cards import look_up
        from weighbridge.hardware.table import card_details, card_to_dict
        from weighbridge.show.tables import markdown_table, table

        try:
            found = look_up(options.name)
        except HardwareError as no_card:
            return _model_card(options, no_card)
        data = {"schema": 1, "card": card_to_dict(found.card), "said": found.said}
        _print_table(options, ("", ""), card_details(found.card), data, table, markdown_table)
        if found.said:
            print(found.said, file=sys.stderr)
        return 0

    return run


def _model_card(options: argparse.Namespace, no_card: HardwareError) -> int:
    """The facts of a model, where no card has the name but a model has."""
    from weighbridge.model.catalog import close_names
    from weighbridge.model.load import load_model
    from weighbridge.model.reference import MISSPELLING, looks_like_path, resolve
    from weighbridge.show.model_card import model_card, model_to_markdown, model_to_text
    from weighbridge.show.style import encodable

    try:
        reference = resolve(options.name)
    except ModelReferenceError as no_model:
        if looks_like_path(options.name) or not close_names(options.name, MISSPELLING):
            raise (no_model if looks_like_path(options.name) else no_card) from None
        raise HardwareError(f"no card has this name, and {no_model}") from None
    if reference.size is not None and reference.size[0]:
        raise no_card
    model, style = load_model(options.name), _format_of(options)
    if style == "json":
        _print_json(model_card(model))
    elif style == "markdown":
        print(model_to_markdown(model))
    else:
        print(encodable(model_to_text(model), sys.stdout.encoding))
    return 0


def _doctor_command(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    del parser

    def run(options: argparse.Namespace) -> int:
        from weighbridge.hardware.detect import detect, doctor_lines

        found = detect()
        if _format_of(options) == "json":
            _print_json({"schema": 1, "version": __version__, **found.to_dict()})
        else:
            print("\n".join(doctor_lines(found)))
        return 0

    return run


def _print_table(
    options: argparse.Namespace,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    data: dict[str, Any],
    table: Callable[..., str],
    markdown_table: Callable[..., str],
) -> None:
    style = _format_of(options)
    if style == "json":
        _print_json(data)
    else:
        print((markdown_table if style == "markdown" else table)(header, rows))


def _nothing(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 0


def _print_json(data: dict[str, Any]) -> None:
    import json

    print(json.dumps(data, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None))


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() or c.isspace() else "�" for c in text).split())


_BUILDERS: dict[str, Callable[[argparse.ArgumentParser], Callable[[argparse.Namespace], int]]] = {
    "plan": _plan_command,
    "sweep": _sweep_command,
    "rules": _rules_command,
    "models": _models_command,
    "cards": _cards_command,
    "card": _card_command,
    "doctor": _doctor_command,
}
