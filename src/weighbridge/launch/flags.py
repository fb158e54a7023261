"""The flags of an engine, from the tables in ``flags/``: one line for each.

A line is ``names | kind | meaning``. The kind says how the value is read (:mod:`values`); the
meaning is the option of a request that it sets, ``@name`` where the engine's file reads it in a
way of its own, ``-`` where device memory does not depend on it, ``?`` where it may and no engine
model reads it. Names without a dash are environment variables, or parameters of a Modelfile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from os.path import dirname, join
from typing import NamedTuple

from weighbridge.errors import LaunchError

VALUELESS = frozenset({"flag", "switch"})


class Flag(NamedTuple):
    """One flag: its names, those that negate it, how its value is read, what it means."""

    names: tuple[str, ...]
    negative: tuple[str, ...]
    kind: str
    meaning: str

    @property
    def name(self) -> str:
        """The name that people know: the first long one, else the first."""
        return next((name for name in self.names if name.startswith("--")), self.names[0])


class Flags(NamedTuple):
    """The flags of a program by each of their names, and its environment variables.

    ``positive`` is False for a name that negates.
    """

    program: str
    by_name: Mapping[str, tuple[Flag, bool]]
    variables: Mapping[str, Flag]

    def writer(self, option: str) -> Flag | None:
        """The first flag that sets an option of a request."""
        rows = (flag for flag, positive in self.by_name.values() if positive)
        return next((flag for flag in rows if flag.meaning == option), None)


@cache
def flags_of(program: str, *files: str, paired: bool = False) -> Flags:
    """The flags in these files; ``paired`` gives each flag its ``--no-`` (argparse's way)."""
    by_name: dict[str, tuple[Flag, bool]] = {}
    variables: dict[str, Flag] = {}
    for file in files:
        for flag in _rows(file):
            if flag.names[0].startswith("-"):
                by_name |= {name: (flag, True) for name in flag.names if name not in by_name}
                negative = flag.negative or (_negations(flag) if paired else ())
                by_name |= {name: (flag, False) for name in negative if name not in by_name}
            else:
                variables |= dict.fromkeys(flag.names, flag)
    return Flags(program, by_name, variables)


def _rows(file: str) -> Iterator[Flag]:
    with open(join(dirname(__file__), "flags", file + ".txt"), encoding="utf-8") as table:
        for line in table:
            if line.startswith("#"):
                continue
            names, kind, meaning = (part.strip() for part in line.split("|"))
            positive, _, negative = names.partition(" ! ")
            yield Flag(tuple(positive.split()), tuple(negative.split()), kind, meaning)


def _negations(flag: Flag) -> tuple[str, ...]:
    """``--no-x``, and the partner of ``--enable-x`` or ``--disable-x`` (vLLM argparse_utils.py)."""
    if flag.kind not in VALUELESS:
        return ()
    found = []
    for name in flag.names:
        if name.startswith("--"):
            found.append("--no-" + name[2:])
            for one, other in (("--enable-", "--disable-"), ("--disable-", "--enable-")):
                if name.startswith(one):
                    found.append(other + name.removeprefix(one))
    return tuple(found)


def unknown(flags: Flags, name: str) -> LaunchError:
    """The refusal of a flag that the program does not have, with the nearest that it has."""
    from difflib import get_close_matches

    close = get_close_matches(name, flags.by_name, n=1, cutoff=0.5)
    hint = f"; the nearest is {close[0]}" if close else ""
    return LaunchError(f"{flags.program} has no flag {name[:80]!r}{hint}")
