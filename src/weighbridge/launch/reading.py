"""Found flags → options of a request; what has no effect and what is not modelled apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from weighbridge.errors import LaunchError
from weighbridge.launch.arguments import Found
from weighbridge.launch.flags import Flag, Flags
from weighbridge.launch.values import read_value

IDLE, UNMODELLED = "-", "?"


class Launch(NamedTuple):
    """What a launch command means: a model, an engine, options; and how each word was taken.

    ``read`` pairs the words with the options that they set; ``idle`` words do not touch device
    memory; ``unmodelled`` ones may, and no engine model reads them. ``devices`` are the indices
    that the command sees, None for all.
    """

    engine: str
    model: str
    options: Mapping[str, Any]
    read: tuple[tuple[str, str], ...] = ()
    idle: tuple[str, ...] = ()
    unmodelled: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    devices: tuple[int, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        """What ``--json`` says of the command."""
        return {
            "engine": self.engine,
            "model": self.model,
            "read": [{"words": words, "means": means} for words, means in self.read],
            "no_effect_on_memory": list(self.idle),
            "not_modelled": list(self.unmodelled),
            "notes": list(self.notes),
        }


class Reading:
    """A command while it is read."""

    def __init__(self, engine: str) -> None:
        self.engine = engine
        self.model = ""
        self.revision = ""
        self.options: dict[str, Any] = {}
        self.read: dict[str, tuple[str, str]] = {}
        self.idle: list[str] = []
        self.unmodelled: list[str] = []
        self.notes: list[str] = []

    def set(self, words: str, option: str, value: Any) -> None:
        """An option that the words set; a later one wins over an earlier."""
        self.read.pop(option, None)
        if value is None:
            self.options.pop(option, None)
            self.read[option] = (words, f"{option} as the engine chooses")
        else:
            self.options[option] = value
            self.read[option] = (words, f"{option} = {shown(value)}")

    def launch(self, devices: tuple[int, ...] | None = None) -> Launch:
        """The finished reading."""
        return Launch(
            self.engine,
            self.model,
            self.options,
            tuple(self.read.values()),
            tuple(dict.fromkeys(self.idle)),
            tuple(dict.fromkeys(self.unmodelled)),
            tuple(dict.fromkeys(self.notes)),
            devices,
        )


Special = Mapping[str, Callable[[Reading, str, Any], None]]


def shown(value: Any) -> str:
    """A value as an echo of the command shows it."""
    return f"{value:,}" if type(value) is int else str(value)


def take(reading: Reading, found: Found, special: Special) -> None:
    """Put one flag where it belongs."""
    words, flag, value = found
    meaning = flag.meaning
    if meaning == IDLE:
        reading.idle.append(named(words))
    elif meaning == UNMODELLED:
        reading.unmodelled.append(words)
    elif meaning == "model":
        reading.model = str(value)
    elif meaning == "revision":
        reading.revision = str(value)
        reading.idle.append(named(words))
    elif meaning.startswith("@"):
        special[meaning[1:]](reading, words, value)
    else:
        reading.set(words, meaning, value)


def named(words: str) -> str:
    """A flag without its value, which may be a secret and in any case says nothing here."""
    return words.split(None, 1)[0].partition("=")[0]


def take_variables(
    reading: Reading, flags: Flags, environment: Mapping[str, str], special: Special
) -> None:
    """The environment variables that the engine reads."""
    for name, text in environment.items():
        flag = flags.variables.get(name)
        if flag is not None:
            value = read_value("truth" if flag.kind == "flag" else flag.kind, text, name)
            take(reading, Found(f"{name}={text}", flag, value), special)


def visible(environment: Mapping[str, str], gpus: int | None) -> tuple[int, ...] | None:
    """The devices that CUDA_VISIBLE_DEVICES or a container leaves; None for all."""
    text = next((environment[name] for name in VISIBLE if environment.get(name, "").strip()), None)
    if text is None:
        return None if gpus is None else tuple(range(gpus))
    parts = [part.strip() for part in text.strip("\"'").split(",")]
    if all(part.isascii() and part.isdecimal() and len(part) < 5 for part in parts):
        return tuple(map(int, parts))
    if all(part and not part.startswith("-") for part in parts):
        return tuple(range(len(parts)))  # names of cards: how many, not which
    raise LaunchError(f"CUDA_VISIBLE_DEVICES {text[:60]!r} names no device")


VISIBLE = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


def flag_words(flag: Flag, value: Any, *, negatives: bool) -> list[str] | None:
    """The words that set a flag to a value; None where none can."""
    if flag.kind in {"flag", "switch"}:
        if value:
            return [flag.name]
        if flag.negative:
            return [next((n for n in flag.negative if n.startswith("--")), flag.negative[0])]
        return ["--no-" + flag.name[2:]] if negatives and flag.kind == "flag" else None
    if flag.kind == "int" and isinstance(value, float):
        return [flag.name, str(int(value))] if value.is_integer() else None
    text = "on" if value is True else "off" if value is False else str(value)
    return [flag.name, text]
