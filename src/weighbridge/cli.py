"""The command line: reads arguments, calls the rooms, prints. No arithmetic.

Each command is a file of ``commands``; only the one that is asked for is built, and only the rooms
that it needs are imported.
Standard output is data, standard error is words; exit code 0 says that it fits (or that no card
was named), 1 that it does not, 2 that the input was bad.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from weighbridge._version import __version__
from weighbridge.commands.shared import add_output, hint_of
from weighbridge.errors import InputError
from weighbridge.words import of_environment, say, use

SUMMARY = "How much GPU memory a language model takes, before you load it."
COMMANDS = {
    "plan": "what a model takes, on which card it fits, and why (the default)",
    "fit": "the longest context, the most users and the best format that a card holds",
    "place": "what lies on which GPU, in host memory or on disk, for the least time per token",
    "recommend": "which card, engine, format and split for a model, or which models for a card",
    "train": "what training takes on every device, how long it takes, and what would fit",
    "trace": "the model's own code run without weights and without a GPU",
    "run": "load a model in the memory that is here, generate text, compare with the plan",
    "measure": "a point or a campaign run for real in a process of its own, beside its plan",
    "sweep": "totals over contexts and concurrencies",
    "speed": "time per token and to the first token, where it goes, and what would help",
    "fleet": "how many cards serve so many users, what they wait, and what it costs",
    "calibrate": "fit the model of time to what a benchmark measured on your machine",
    "check": "whether what a file expects of deployments holds, for a pipeline",
    "rules": "what well-known rules of thumb say beside the plan, and how far off they are",
    "models": "the models of the catalogue",
    "cards": "the accelerators of the table",
    "card": "one accelerator in full, or one model",
    "serve": "the page and the API over HTTP, on this machine",
    "mcp": "the same answers as tools for agents (Model Context Protocol)",
    "log": "what the log of an engine says of memory, beside the prediction",
    "accuracy": "every measured row beside what is predicted of it",
    "store": "measurements, logs and benchmark files, kept and passed on",
    "watch": "a running process or server beside its plan",
    "doctor": "what this machine has",
}


class Help(argparse.HelpFormatter):
    """Help as wide as the terminal says, without the modules that ask the terminal."""

    def __init__(self, prog: str) -> None:
        columns = os.environ.get("COLUMNS", "")
        super().__init__(prog, width=int(columns) - 2 if columns.isdecimal() else 98)

    def _expand_help(self, action: argparse.Action) -> str:
        return say(super()._expand_help(action))

    def start_section(self, heading: str | None) -> None:
        """A group of options under its heading."""
        super().start_section(None if heading is None else say(heading))


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one sentence."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage."""
        unknown = message.partition("unrecognized arguments: ")[2]
        message += hint_of(unknown) if unknown else ""
        raise InputError(f"{message}; see `{self.prog} --help`")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        _speak(arguments)
        return _run(arguments)
    except InputError as error:
        print(f"weigh: {say('error')}: {say(_one_line(str(error)))}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130


def _speak(arguments: Sequence[str]) -> None:
    """The language that ``--lang`` names, or else the environment."""
    use(of_environment(os.environ))
    for here, following in zip(arguments, [*arguments[1:], ""], strict=False):
        if here == "--":
            return
        if here == "--lang" or here.startswith("--lang="):
            use(following if here == "--lang" else here.partition("=")[2])


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(_help())
        return 0
    if arguments[0] in {"-V", "--version"}:
        print(f"weigh {__version__}")
        return 0
    name = arguments.pop(0) if arguments[0] in COMMANDS else "plan"
    launched: list[str] | None = None
    if name == "plan" and "--" in arguments:
        place = arguments.index("--")
        arguments, launched = arguments[:place], arguments[place + 1 :]
    build = import_module(f"weighbridge.commands.{name}").build
    parser = Parser(
        prog="weigh" if name == "plan" else f"weigh {name}",
        description=say(COMMANDS[name]),
        allow_abbrev=False,
        formatter_class=Help,
    )
    if launched is None:
        run = build(parser, arguments)
    else:
        from weighbridge.commands import launch

        run = launch.build(parser, arguments, launched)
    add_output(parser)
    return int(run(parser.parse_args(arguments)))


def _help() -> str:
    commands = "\n".join(f"  {name:<9} {say(text)}" for name, text in COMMANDS.items())
    return (
        f"weigh {__version__}. {SUMMARY}\n\n"
        "usage: weigh MODEL [--on CARD] [options]\n"
        "       weigh --on CARD [options] -- vllm serve …   (a launch command, as it stands)\n"
        "       weigh COMMAND …\n\n"
        "MODEL is a catalogue name (llama-3.1-8b), a folder, a config.json, a GGUF file, a\n"
        "repository of the Hub (org/name, hf:org/name@revision, org/name:Q4_K_M of GGUF files),\n"
        "BASE+ADAPTER, or a size (7B).\n\n"
        f"commands:\n{commands}\n\n"
        "examples:\n"
        "  weigh llama-3.1-8b --on rtx-4090\n"
        "  weigh ./my-model --on 2xH100 --context 32k --concurrency 8 --why\n"
        "  weigh qwen3-30b-a3b --on rtx-4090 --weights nf4 --json\n"
        "  weigh train llama-3.1-8b --method qlora --seq-len 4096 --on rtx-4090\n"
        "  weigh llama-3.1-8b --on rtx-4090 --emit transformers > run.py\n\n"
        "`weigh plan --help` lists the options of a plan."
    )


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() or c.isspace() else "�" for c in text).split())
