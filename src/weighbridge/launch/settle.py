"""A command and what was said beside it → the model and the options of one plan."""

from __future__ import annotations

import shlex
from typing import Any

from weighbridge.errors import LaunchError
from weighbridge.launch import engine_module, seen_machine
from weighbridge.launch.reading import Launch
from weighbridge.model.facts import Model

LONGEST_COMMAND = 65_536


def words_of(text: str) -> list[str]:
    """The words of a command that was pasted as text, over one line or several."""
    if len(text) > LONGEST_COMMAND:
        raise LaunchError(f"a command of {len(text):,} characters is longer than any shell takes")
    joined = text.replace("\\\r\n", " ").replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if line.strip() and line.strip()[0] != "#"]
    try:
        words = shlex.split("\n".join(lines), comments=True)
    except ValueError as error:
        raise LaunchError(f"the command cannot be split into words: {error}") from None
    return words[1:] if words[:1] == ["$"] else words


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
