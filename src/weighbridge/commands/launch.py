"""``weigh --on CARD -- vllm serve …``: a plan of the very command that would be launched."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from weighbridge.commands.plan import add_plan_arguments, check_target, show
from weighbridge.commands.shared import Run, named_engine, request_options
from weighbridge.errors import LaunchError
from weighbridge.launch import read_command
from weighbridge.launch.settle import settle


def build(parser: argparse.ArgumentParser, arguments: Sequence[str], command: Sequence[str]) -> Run:
    """Arguments of the command, and what runs it; ``command`` is what stands behind ``--``."""
    launch = read_command(command, inherited())
    engine = named_engine(arguments) if _names_engine(arguments) else launch.engine
    if engine.partition("==")[0] != launch.engine.partition("==")[0]:
        raise LaunchError(
            f"--engine {engine} stands before a command of {launch.engine.partition('==')[0]}; "
            "leave it out, or give the engine's version alone"
        )
    check_target(arguments, engine)
    given = [*arguments, "--engine", engine] if not _names_engine(arguments) else list(arguments)
    add_plan_arguments(parser, given)
    for action in parser._actions:
        if action.dest == "model":
            action.nargs, action.default = "?", None

    def run(options: argparse.Namespace) -> int:
        from weighbridge.api import plan

        settled = settle(launch, options.model, request_options(options, given))
        model, asked, said = settled
        made = plan(model, **asked)
        return show(made, options, said)

    return run


def inherited() -> dict[str, str]:
    """The variables of this process that an engine's table names; never which cards are seen."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("VLLM_", "SGLANG_", "OLLAMA_", "LLAMA_ARG_")) and len(value) < 4096
    }


def _names_engine(arguments: Sequence[str]) -> bool:
    return any(word == "--engine" or word.startswith("--engine=") for word in arguments)
