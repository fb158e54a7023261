"""Facts of well-known checkpoints, for work without a network: ``models.jsonl``, one row each.

A row holds the checkpoint's hub id, further short names, the config that decides its shapes, the
published count of elements in its files and what of it is no parameter, and how the config is
known. To add a model, add a row.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from os.path import dirname, join
from types import MappingProxyType
from typing import Any, NamedTuple


class Row(NamedTuple):
    """One checkpoint of the catalogue.

    ``published`` counts every element in its files; ``also_stored`` are those that no parameter
    of the running model is (buffers, scales, copies), by reason. ``published_rounded`` says that
    the figure is that of a name or a card, and no count.
    """

    id: str
    names: tuple[str, ...]
    config: dict[str, Any]
    known_by: str
    source: str = ""
    published: int | None = None
    also_stored: Mapping[str, int] = MappingProxyType({})
    published_note: str = ""
    published_rounded: bool = False
    released: str = ""
    license: str = ""

    @property
    def short(self) -> str:
        """The name that people type: the id without its owner, in lower case."""
        return self.id.rpartition("/")[2].lower()


def words(name: str) -> tuple[str, ...]:
    """A name as its runs of letters and of digits, so that case and punctuation do not matter.

    Digits keep their runs: ``qwen2.5-7b`` and ``qwen2-57b`` stay apart.

    >>> words("Llama_3.1 8B") == words("llama-3.1-8b")
    True
    """
    return tuple(re.findall(r"[a-z]+|\d+", name.lower()))


def find(name: str) -> Row | None:
    """The row of this hub id or short name; None on a miss."""
    exact = name.strip().lower()
    text, folded = _text(), _folded()
    for needle in (f'{{"id":"{exact}"', f'/{exact}","names":', f'"{exact}"'):
        place = folded.find(needle)
        if place >= 0:
            start = text.rfind("\n", 0, place) + 1
            row = _row(text[start : text.index("\n", place)])
            if exact in {row.id.lower(), row.short, *row.names}:
                return row
    wanted = words(exact)
    for row in rows():
        if wanted in {words(row.id), words(row.short), *map(words, row.names)}:
            return row
    return None


def close_names(name: str, cutoff: float = 0.6) -> list[str]:
    """Up to three short names that look like ``name``, best first."""
    from difflib import get_close_matches

    known = [each for row in rows() for each in (row.short, *row.names)]
    return get_close_matches(name.lower().rpartition("/")[2], known, n=3, cutoff=cutoff)


@cache
def rows() -> tuple[Row, ...]:
    """Every row, in the file's order."""
    return tuple(_row(line) for line in _text().splitlines())


def _row(line: str) -> Row:
    raw = json.loads(line)
    return Row(**{**raw, "names": tuple(raw["names"])})


@cache
def _folded() -> str:
    """The file in lower case; every id and name is ASCII, so that places stay the same."""
    return _text().lower()


@cache
def _text() -> str:
    with open(join(dirname(__file__), "models.jsonl"), encoding="utf-8") as file:
        return file.read()
