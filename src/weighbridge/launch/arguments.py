"""Words of a command line → the flags that they set, as the program that reads them would."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from weighbridge.errors import LaunchError
from weighbridge.launch.flags import VALUELESS, Flag, Flags, unknown
from weighbridge.launch.values import read_value

MOST_WORDS = 10_000
NESTED = frozenset({"json", "limits"})
SWITCH_WORDS = frozenset({"on", "off", "auto", "0", "1", "true", "false", "enabled", "disabled"})


class Style(NamedTuple):
    """How a program reads its flags.

    ``abbreviates``: a beginning that only one flag has is that flag (argparse). ``folds``: an
    underscore is a dash. ``dotted``: ``--flag.key value`` sets a key of a JSON value.
    """

    abbreviates: bool = False
    folds: bool = False
    dotted: bool = False


class Found(NamedTuple):
    """One flag as it stood in the command: the words, the flag, and the value read."""

    words: str
    flag: Flag
    value: Any


class Words(NamedTuple):
    """What was found: flags in order, and the words that belong to none."""

    found: tuple[Found, ...]
    positional: tuple[str, ...]


def read_words(flags: Flags, words: list[str], style: Style) -> Words:
    """The flags in ``words``; raises :class:`LaunchError` on one that the program does not have."""
    if len(words) > MOST_WORDS:
        raise LaunchError(f"the command has more than {MOST_WORDS:,} words")
    found: list[Found] = []
    nested: dict[str, tuple[Flag, dict[str, Any]]] = {}
    positional: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or _is_number(word) or word == "-":
            positional.append(word)
            continue
        spelled, separator, attached = word.partition("=")
        name, dot, path = _folded(spelled, style).partition(".") if style.dotted else (
            _folded(spelled, style), "", "")  # fmt: skip
        flag, positive, name = _look_up(flags, name, style)
        given = attached if separator else None
        if dot and flag.kind in NESTED:
            text = given if given is not None else _next(rest, spelled)
            _, values = nested.setdefault(flag.name, (flag, {}))
            _set(values, path, text)
            continue
        if dot:
            raise unknown(flags, spelled)
        found.append(_found(flag, positive, name, given, rest))
    for flag, values in nested.values():
        found.append(Found(f"{flag.name} {json.dumps(values)}", flag, values))
    return Words(tuple(found), tuple(positional))


def _folded(name: str, style: Style) -> str:
    if not (style.folds and name.startswith("--")):
        return name
    before, dot, after = name.partition(".")
    return before.replace("_", "-") + dot + after


def _look_up(flags: Flags, name: str, style: Style) -> tuple[Flag, bool, str]:
    if name in flags.by_name:
        return (*flags.by_name[name], name)
    if style.abbreviates and name.startswith("--") and len(name) > 2:
        longer = [known for known in flags.by_name if known.startswith(name)]
        if len({flags.by_name[known] for known in longer}) == 1:
            return (*flags.by_name[longer[0]], longer[0])
        if longer:
            shown = ", ".join(longer[:4]) + (", …" if len(longer) > 4 else "")
            raise LaunchError(f"{flags.program} flag {name!r} could be {shown}")
    raise unknown(flags, name)


def _found(flag: Flag, positive: bool, name: str, given: str | None, rest: list[str]) -> Found:
    if flag.kind in VALUELESS or not positive:
        if given is not None:
            raise LaunchError(f"{name} takes no value, and {given[:40]!r} is given")
        return Found(name, flag, positive)
    if flag.kind == "list":
        values = [given] if given is not None else _several(rest, name)
        return Found(" ".join([name, *values]), flag, values)
    if flag.kind == "pair":
        pair = [_next(rest, name), _next(rest, name)]
        return Found(" ".join([name, *pair]), flag, pair)
    if flag.kind == "maybe":
        if given is None:
            given = rest.pop(0) if rest and rest[0].lower() in SWITCH_WORDS else "on"
        return Found(f"{name} {given}", flag, given)
    text = given if given is not None else _next(rest, name)
    return Found(f"{name} {text}", flag, read_value(flag.kind, text, name))


def _next(rest: list[str], name: str) -> str:
    if not rest or (rest[0].startswith("--") and len(rest[0]) > 2):
        raise LaunchError(f"{name} needs a value, and none follows")
    return rest.pop(0)


def _several(rest: list[str], name: str) -> list[str]:
    values = []
    while rest and (not rest[0].startswith("-") or _is_number(rest[0])):
        values.append(rest.pop(0))
    if not values:
        raise LaunchError(f"{name} needs at least one value, and none follows")
    return values


def _is_number(word: str) -> bool:
    return re.fullmatch(r"-\d+(\.\d*)?|-\.\d+", word, re.ASCII) is not None


def _set(values: dict[str, Any], path: str, text: str) -> None:
    """``a.b`` = ``text`` in a nested dict; a ``+`` at the end appends the parts of a list."""
    *keys, last = path.removesuffix("+").split(".")
    if not last or len(keys) > 20:
        raise LaunchError(f"the key {path[:60]!r} of a flag cannot be read")
    inner = values
    for key in keys:
        below = inner.setdefault(key, {})
        if not isinstance(below, dict):
            raise LaunchError(
                f"the key {path[:60]!r} is set twice, to a value and to keys below it"
            )
        inner = below
    value: Any = text.split(",") if path.endswith("+") else _loaded(text)
    if isinstance(value, list) and isinstance(inner.get(last), list):
        inner[last] = [*inner[last], *value]
    else:
        inner[last] = value


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
