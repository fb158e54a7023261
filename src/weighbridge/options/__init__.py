"""What a request may set: one table row per option.

``COMMON`` options mean the same in several engines and are fields of a deployment; each engine's
file says which of them it takes (``TAKES``) and what it has of its own (``OPTIONS``). The command
line, Python and launch commands all read these rows. To add an option of an engine, add its row.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Literal, NamedTuple

from weighbridge.errors import RequestError
from weighbridge.units import parse_count, parse_size

Kind = Literal["text", "count", "size", "number", "flag"]
LARGEST_COUNT = 10**9
AUTO = -1
ENGINES = ("transformers", "vllm", "sglang", "tensorrt-llm", "llama.cpp", "ollama")


class Option(NamedTuple):
    """One option: its name in Python, its help, and how its value is read.

    A ``count`` is a whole number, a ``size`` bytes with their unit, a ``number`` a decimal, a
    ``flag`` true or false. ``aliases`` are further flags of the command line. ``auto`` says that a
    count may be ``auto`` or -1, which is held as ``AUTO``: the engine finds it.
    ``most`` is the largest count that can be meant.
    """

    name: str
    help: str
    metavar: str = "TEXT"
    aliases: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    kind: Kind = "text"
    auto: bool = False
    most: int = LARGEST_COUNT

    @property
    def flag(self) -> str:
        """The flag that sets it: ``--max-model-len``."""
        return "--" + self.name.replace("_", "-")


def read_value(option: Option, value: Any) -> Any:
    """The value as the request holds it; raises :class:`RequestError` where it cannot be."""
    if option.auto and str(value).strip().lower() in {"auto", str(AUTO)}:
        return AUTO
    if option.kind == "count":
        count = parse_count(value, option.name)
        if count > option.most:
            raise RequestError(
                f"{option.name} {count:,} is more than {option.most:,}, which none holds"
            )
        return count
    if option.kind == "size":
        return parse_size(value, option.name)
    if option.kind == "number":
        return _number(option, value)
    if option.kind == "flag":
        return _truth(option, value)
    if not isinstance(value, str):
        raise RequestError(f"{option.name} is a text, not {type(value).__name__}")
    if option.choices and value not in option.choices:
        raise RequestError(f"{option.name} {value!r} is not one of {', '.join(option.choices)}")
    return value


def _number(option: Option, value: Any) -> float:
    try:
        number = float(value) if not isinstance(value, bool) else float("nan")
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if not 0 <= number <= LARGEST_COUNT:
        raise RequestError(f"{option.name} {str(value)[:40]!r} is not a number of 0 or more")
    return number


def _truth(option: Option, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    known = {"true": True, "1": True, "on": True, "false": False, "0": False, "off": False}
    if isinstance(value, str) and value.lower() in known:
        return known[value.lower()]
    raise RequestError(f"{option.name} is true or false, not {str(value)[:40]!r}")


class EngineOptions(NamedTuple):
    """The common options that an engine takes, and those of its own by name."""

    takes: frozenset[str]
    own: Mapping[str, Option]


def engine_options(engine: str) -> EngineOptions:
    """The options of ``vllm`` or ``vllm==0.32.0``; none of its own for an unknown name."""
    name = engine.strip().lower().partition("==")[0]
    if name not in ENGINES:
        return EngineOptions(frozenset(), {})
    module = import_module("weighbridge.options." + name.replace("-", "_").replace(".", "_"))
    return EngineOptions(module.TAKES, {option.name: option for option in module.OPTIONS})
