"""The guide's figures: a command is run once, its JSON looked into, the number written out."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import shlex
import tomllib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from weighbridge.cli import main
from weighbridge.units import GB, GIB, KIB, MIB
from weighbridge.words import use
from weighbridge.words.numbers import writing_of

TABLE = Path(__file__).parent / "figures.toml"
WIDTH = "92"
Write = Callable[[float], str]
WAYS: dict[str, Write] = {
    "GiB": lambda value: f"{value / GIB:,.2f} GiB",
    "GB": lambda value: f"{value / GB:,.2f} GB",
    "MiB": lambda value: f"{value / MIB:,.1f} MiB",
    "KiB": lambda value: f"{value / KIB:,.1f} KiB".replace(".0 KiB", " KiB"),
    "billions": lambda value: f"{value / GB:,.2f}",
    "count": lambda value: f"{value:,}",
    "whole": lambda value: f"{value:,.0f}",
    "one": lambda value: f"{value:,.1f}",
    "ms": lambda value: f"{value * 1e3:,.1f} ms",
    "percent": lambda value: f"{value:.0%}",
}


@lru_cache(maxsize=1)
def table() -> dict[str, dict[str, Any]]:
    """The runs and the figures."""
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


@lru_cache(maxsize=64)
def answer(run: str, *extra: str) -> str:
    """What ``weigh`` prints for a run of the table."""
    # The program writes what the encoding of its output can hold.
    printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = WIDTH
    try:
        with contextlib.redirect_stdout(printed):
            code = main([*shlex.split(table()["runs"][run]), *extra])
    finally:
        use("en")
        os.environ.pop("COLUMNS") if before is None else os.environ.update(COLUMNS=before)
    if code not in {0, 1}:
        raise ValueError(f"the run {run!r} of the guide ended with {code}")
    printed.seek(0)
    return printed.read().rstrip()


@lru_cache(maxsize=64)
def data(run: str) -> Any:
    """The same as data."""
    return json.loads(answer(run, "--json", "--lang", "en"))


def value_of(name: str) -> float:
    """The number of a figure."""
    kind, *rest = table()["figures"][name]
    if kind == "ratio":
        return value_of(rest[0]) / value_of(rest[1])
    if kind == "product":
        made = math.prod(int(factor) for factor in rest[0].split())
        if made != at(rest[1], rest[2]):
            raise ValueError(f"{name}: {rest[0]} make {made}, not {at(rest[1], rest[2])}")
        return made
    return at(kind, rest[0])


def at(run: str, path: str) -> float:
    """The number at a place of a run's JSON; ``terms.NAME`` sums a term of the first device."""
    found = data(run)
    if path.startswith("terms."):
        sizes = [term["bytes"] for term in found["devices"][0]["terms"]
                 if term["name"] == path[6:]]  # fmt: skip
        if not sizes:
            raise KeyError(f"{run} has no term {path[6:]}")
        return float(sum(sizes))
    for part in path.split("."):
        found = found[int(part)] if isinstance(found, list) else found[part]
    number: float = found
    return number


def figure(name: str, language: str) -> str:
    """A figure as the language writes it; Persian with its own digits."""
    kind, *rest = table()["figures"][name]
    value = value_of(name)
    if kind == "product":
        text = " × ".join(rest[0].split()) + f" = {value:,.0f} B"
    elif kind == "ratio":
        text = f"{value:.2f}"
    else:
        text = WAYS[rest[1]](value)
    native = language == "fa" and kind != "product"
    return writing_of(language, native=native).number(text)
