"""Reading ``plan.toml``: its entries, each with its options and what is expected of it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from weighbridge.check.expectations import read_expectation
from weighbridge.errors import RequestError

LARGEST_FILE = 1 << 20
MOST_ENTRIES = 1000
KINDS: tuple[Literal["plan", "train"], ...] = ("plan", "train")


class Entry(NamedTuple):
    """One thing to plan: a model with options, or the words of a launch command."""

    kind: Literal["plan", "train"]
    name: str
    model: str | None
    command: str | None
    options: Mapping[str, Any]
    expect: Mapping[str, Any]


def read_entries(path: Path) -> tuple[Entry, ...]:
    """The entries of a file, in order; :class:`RequestError` with the place where it is wrong."""
    data = _toml(path)
    unknown = set(data) - {"defaults", *KINDS}
    if unknown:
        raise RequestError(f"{path} has '{min(unknown)}'; it may have [defaults], [[plan]] and "
                           "[[train]]")  # fmt: skip
    defaults = data.get("defaults", {})
    if not isinstance(defaults, dict):
        raise RequestError(f"defaults of {path} is no table")
    entries = []
    for kind in KINDS:
        rows = data.get(kind, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise RequestError(f"{kind} of {path} is no list of tables; write [[{kind}]]")
        entries += [_entry(kind, row, defaults, f"{path}: [[{kind}]] {number}")
                    for number, row in enumerate(rows, 1)]  # fmt: skip
    if not entries:
        raise RequestError(f"{path} has nothing to check; write a [[plan]] or [[train]] table")
    if len(entries) > MOST_ENTRIES:
        raise RequestError(f"{path} has {len(entries):,} entries, more than {MOST_ENTRIES:,}")
    return _named_once(entries, path)


def _toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise RequestError(f"{path} cannot be read: {error.strerror}") from None
    if len(text) > LARGEST_FILE:
        raise RequestError(f"{path} is larger than 1 MiB")
    try:
        return tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(f"{path} is no TOML: {error}") from None


def _entry(
    kind: Literal["plan", "train"], row: dict[str, Any], defaults: dict[str, Any], where: str
) -> Entry:
    own = dict(row)
    name, expect = own.pop("name", ""), own.pop("expect", {})
    model, command = own.pop("model", None), own.pop("command", None)
    where = f"{where} ({name})" if name and isinstance(name, str) else where
    for key, value in (("name", name), ("model", model), ("command", command)):
        if value is not None and not isinstance(value, str):
            raise RequestError(f"{key} of {where} is {value!r}, not text")
    if kind == "train" and command is not None:
        raise RequestError(f"{where} has a command; commands are read in [[plan]]")
    if model is None and command is None:
        raise RequestError(f"{where} names no model")
    if not isinstance(expect, dict):
        raise RequestError(f"expect of {where} is no table")
    options = {key.replace("-", "_"): value for key, value in {**defaults, **own}.items()}
    expected = {key: read_expectation(key, value, where) for key, value in expect.items()}
    if expected.get("fits", True) and options.get("on"):
        expected = {"fits": True, **expected}
    return Entry(kind, name or model or command or "", model, command, options, expected)


def _named_once(entries: list[Entry], path: Path) -> tuple[Entry, ...]:
    seen: set[str] = set()
    for entry in entries:
        if entry.name in seen:
            raise RequestError(f"{path} has two entries named '{entry.name[:80]}'; give each its "
                               "own name")  # fmt: skip
        seen.add(entry.name)
    return tuple(entries)
