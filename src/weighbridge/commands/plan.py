"""``weigh plan``: what a model takes, on which card it fits, and why."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from weighbridge.commands.shared import (
    Run,
    add_request,
    format_of,
    named_engine,
    print_json,
    request_options,
)

if TYPE_CHECKING:
    from weighbridge.launch.reading import Launch
    from weighbridge.planner import Plan

TARGETS = "vllm, sglang, trtllm, llama.cpp, ollama, transformers, docker, k8s, kserve, skypilot"


def build(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Run:
    """Arguments of the command, and what runs it."""
    given = with_engine(arguments)
    add_plan_arguments(parser, given)

    def run(options: argparse.Namespace) -> int:
        from weighbridge.api import plan

        asked = request_options(options, given)
        if options.emit and len(given) > len(arguments):
            asked["engine"] = given[-1]
        return show(plan(options.model, **asked), options)

    return run


def with_engine(arguments: Sequence[str]) -> list[str]:
    """The arguments with the engine that ``--emit`` implies, where they name none."""
    target = _target(arguments)
    if target is None:
        return list(arguments)
    from weighbridge.launch import target_engine

    named = any(word == "--engine" or word.startswith("--engine=") for word in arguments)
    engine = target_engine(target, named_engine(arguments) if named else None)
    return list(arguments) if named else [*arguments, "--engine", engine]


def check_target(arguments: Sequence[str], engine: str) -> None:
    """Refuse an ``--emit`` that writes for another engine than the command's."""
    target = _target(arguments)
    if target is not None:
        from weighbridge.launch import target_engine

        target_engine(target, engine)


def _target(arguments: Sequence[str]) -> str | None:
    for here, following in zip(arguments, [*arguments[1:], ""], strict=False):
        if here == "--emit" and following:
            return following
        if here.startswith("--emit="):
            return here.partition("=")[2]
    return None


def add_plan_arguments(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """The arguments of a plan, whether of a model or of a launch command."""
    add_request(parser, arguments)
    parser.add_argument(
        "--why", action="store_true", help="open every number: formula, inputs, source"
    )
    parser.add_argument("--emit", metavar="TARGET", help=f"write the launch command: {TARGETS}")
    parser.add_argument("--plot", metavar="FILE", help="draw it: .svg or .png")


def show(made: Plan, options: argparse.Namespace, launch: Launch | None = None) -> int:
    """Print a plan as it was asked for; the exit code says whether it fits."""
    style = format_of(options)
    if options.plot:
        _plot(made, options.plot)
    if options.emit:
        _emit(made, options.emit, style)
    elif style == "json":
        print_json({**made.to_dict(), **({"launch": launch.to_dict()} if launch else {})})
    elif style == "markdown":
        from weighbridge.show.markdown import plan_to_markdown

        print(plan_to_markdown(made))
        if launch is not None:
            from weighbridge.show.launch import launch_to_markdown

            print("\n" + launch_to_markdown(launch))
    else:
        from weighbridge.show.style import printed, wants_colour
        from weighbridge.show.text import plan_to_text

        colour = wants_colour(sys.stdout)
        text = plan_to_text(made, why=options.why, colour=colour)
        if launch is not None:
            from weighbridge.show.launch import launch_to_text

            text += "\n\n" + launch_to_text(launch, colour=colour)
        print(printed(text))
    return 1 if made.fits is False else 0


def _plot(made: Plan, file: str) -> None:
    from weighbridge.show.plots import check_path
    from weighbridge.show.plots_plan import plot_plan

    plot_plan(made, check_path(file))
    print(f"drawn: {file}", file=sys.stderr)


def _emit(made: Plan, target: str, style: str) -> None:
    from weighbridge.launch import write

    text = write(made, target)
    if style == "json":
        print_json({"schema": 1, "target": target, "fits": made.fits, "text": text})
    else:
        print(text, end="" if text.endswith("\n") else "\n")
