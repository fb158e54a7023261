"""Every command of `weigh` with every argument, from the parsers themselves."""

from __future__ import annotations

import argparse
from importlib import import_module

from scripts.documents.text import code, grid, page
from weighbridge.cli import COMMANDS, Parser
from weighbridge.commands.shared import add_output

CODES = (
    ("0", "the answer is yes (it fits), or nothing was asked that can fail"),
    ("1", "it does not fit, or nothing was found that does"),
    ("2", "the input was bad; one sentence on standard error says what, where, and what to do"),
    ("130", "interrupted"),
)


def parser_of(command: str) -> Parser:
    """The parser of one command, as the command line builds it for the default engine."""
    parser = Parser(prog=f"weigh {command}", add_help=False, allow_abbrev=False)
    import_module(f"weighbridge.commands.{command}").build(parser, [])
    add_output(parser)
    return parser


def arguments_of(command: str) -> list[argparse.Action]:
    """Its arguments, in the order of its help."""
    return [
        action
        for group in parser_of(command)._action_groups
        for action in group._group_actions
        if action.help is not argparse.SUPPRESS
    ]


def commands() -> str:
    """The page."""
    parts = [
        "`weigh COMMAND …`; without the name of a command it is `plan`. Options of one engine are "
        "in [Options](options.md).",
        "## Exit codes\n\n" + grid(("code", "meaning"), CODES),
    ]
    return page("Commands", *parts, *(_command(name) for name in COMMANDS))


def _command(name: str) -> str:
    rows = [_row(action) for action in arguments_of(name)]
    return f"## weigh {name}\n\n{COMMANDS[name][0].upper()}{COMMANDS[name][1:]}.\n\n" + grid(
        ("argument", "value", "what it is"), rows
    )


def _row(action: argparse.Action) -> tuple[str, str, str]:
    flags = ", ".join(code(flag) for flag in action.option_strings) or code(
        str(action.metavar or action.dest)
    )
    metavar = action.metavar if isinstance(action.metavar, str) else ""
    if action.choices:
        metavar = ", ".join(map(str, action.choices))
    elif action.nargs == 0 or isinstance(action, argparse.BooleanOptionalAction):
        metavar = ""
    said = (action.help or "") % {"default": action.default} if action.help else ""
    return flags, code(metavar if action.option_strings else ""), said
