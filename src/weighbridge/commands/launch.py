"""``weigh --on CARD -- vllm serve …``: a plan of the very command that would be launched."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any

from weighbridge.commands.plan import add_plan_arguments, check_target, show
from weighbridge.commands.shared import Run, named_engine, request_options
from weighbridge.errors import LaunchError
from weighbridge.launch import engine_module, read_command, seen_machine
from weighbridge.launch.reading import Launch
from weighbridge.model.facts import Model


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


def settle(
    launch: Launch, model: str | None, given: dict[str, Any]
) -> tuple[str, dict[str, Any], Launch]:
    """The model and the options of a command and of what stands before it.

    Raises :class:`LaunchError` where the two contradict each other.
    """
    if model is None and not launch.model:
        raise LaunchError("the command names no model; name it before `--`: weigh MODEL --on CARD")
    asked = dict(launch.options)
    # One rank is what the engine takes by itself; a command that says so is another matter.
    by_itself = {"tensor_parallel_size"} - {means.partition(" ")[0] for _, means in launch.read}
    for name, value in given.items():
        if name in asked and asked[name] != value and name not in {"engine", *by_itself}:
            raise LaunchError(
                f"{name} is {value} before `--` and {asked[name]} in the command; leave one out"
            )
        asked[name] = value
    asked.setdefault("engine", launch.engine)
    notes = list(launch.notes)
    if "on" in asked:
        asked["on"], said = seen_machine(asked["on"], launch.devices)
        notes += [said] if said else []
    name = model or launch.model
    if engine_module(launch.engine.partition("==")[0]).STYLE.abbreviates:
        notes += _drop_dtype(name, launch, asked, "weights" in given)
    return name, asked, launch._replace(notes=tuple(notes), model=name)


def _drop_dtype(model: str, launch: Launch, asked: dict[str, Any], given: bool) -> list[str]:
    """A 16-bit ``--dtype`` beside quantized weights is the type of activations alone."""
    if given or launch.options.get("weights") not in {"fp16", "bf16"}:
        return []
    from weighbridge.model.load import load_model

    if "quantization" in asked or _is_quantized(load_model(model)):
        kind = asked.pop("weights")
        return [f"--dtype {kind} is the type of activations; the weights stay quantized"]
    return []


def _is_quantized(model: Model) -> bool:
    return model.quantization is not None
