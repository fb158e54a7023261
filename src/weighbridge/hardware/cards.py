"""The table of cards: read lazily, found by any usual spelling of a name.

A card named by its id costs one line of JSON; the whole table is read only for other spellings
and for listings. An unknown name is refused with the nearest ones, never guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from os.path import dirname, join
from typing import Any, NamedTuple

from weighbridge.errors import HardwareError
from weighbridge.hardware.card import Card, card_from_row
from weighbridge.hardware.names import name_key
from weighbridge.units import GIB, format_bytes, parse_size

__all__ = ["Card", "Found", "card_named", "custom_card", "find_card", "known", "list_cards"]
__all__ += ["look_up", "with_memory"]

_TABLE = join(dirname(__file__), "cards.jsonl")
_SIZED = r"(?ai)(.+?)[\s_-]*(\d{1,4})\s*gi?b"
_RESIZABLE = ("Apple", "AMD")


class Found(NamedTuple):
    """A card, and what was assumed in finding it (None when the name says it all)."""

    card: Card
    said: str | None = None


@cache
def _text() -> str:
    with open(_TABLE, encoding="utf-8") as file:
        return file.read()


@cache
def _rows() -> tuple[dict[str, Any], ...]:
    return tuple(json.loads("[" + ",".join(_text().splitlines()) + "]"))


@cache
def _index() -> tuple[dict[str, int], dict[str, list[int]], dict[str, int]]:
    """Key → row, for names of one card; key → rows, for shared names; key → default row."""
    own: dict[str, int] = {}
    shared: dict[str, list[int]] = {}
    default: dict[str, int] = {}
    for number, row in enumerate(_rows()):
        own[row["id"].replace("-", "")] = number
        for name in (row["id"], row["name"], *row.get("aliases", ())):
            own[name_key(name)] = number
        for name in row.get("common", ()):
            shared.setdefault(name_key(name), []).append(number)
        for name in row.get("default_for", ()):
            default[name_key(name)] = number
    return own, shared, default


@cache
def _card(number: int) -> Card:
    return card_from_row(_rows()[number])


def _by_id(name: str) -> Card | None:
    """The row whose id is ``name``, without reading the others."""
    start = f'{{"id": {json.dumps(name)},'
    text = _text()
    at = 0 if text.startswith(start) else text.find("\n" + start) + 1
    if at == 0 and not text.startswith(start):
        return None
    end = text.find("\n", at)
    return card_from_row(json.loads(text[at : end if end > 0 else None]))


def find_card(name: str) -> Card:
    """The card of that id, alias or marketed name; HardwareError with suggestions otherwise.

    >>> find_card("NVIDIA GeForce RTX 4090").id
    'rtx-4090'
    """
    return look_up(name).card


def look_up(name: str) -> Found:
    """Like :func:`find_card`, and says what an ambiguous name was taken for.

    >>> look_up("H100").said
    'H100 is read as h100-sxm; others of that name: h100-pcie, h100-nvl'
    """
    found = known(name)
    if found is None:
        raise HardwareError(_unknown(name.strip()))
    return found


def known(name: str) -> Found | None:
    """Like :func:`look_up`, but None for a name that no card has."""
    name = name.strip()
    if len(name) > 100:
        raise HardwareError(f"the card name {name[:40] + '…'!r} is longer than 100 characters")
    card = _by_id(name)
    return Found(card) if card else _by_name(name) or _resized(name)


def _by_name(name: str) -> Found | None:
    own, shared, default = _index()
    key = name_key(name)
    if key in own:
        return Found(_card(own[key]))
    if key not in default:
        return None
    card = _card(default[key])
    others = ", ".join(_card(number).id for number in shared[key] if number != default[key])
    said = f"{name} is read as {card.id}"
    return Found(card, f"{said}; others of that name: {others}" if others else said)


def _resized(name: str) -> Found | None:
    """``m1-max-32gb``: a chip with memory on board, in a smaller configuration."""
    match = re.fullmatch(_SIZED, name)
    base = _by_name(match[1]) if match else None
    if match is None or base is None or base.card.kind != "unified":
        return None
    if base.card.vendor not in _RESIZABLE:
        return None
    size = int(match[2]) * GIB
    if not 8 * GIB <= size <= base.card.marketed_memory:
        most = format_bytes(base.card.marketed_memory, 0)
        raise HardwareError(f"{base.card.name} is sold with 8 GiB to {most}, not {match[2]} GiB")
    return Found(with_memory(base.card, size), base.said)


def with_memory(card: Card, size: int) -> Card:
    """``card`` with ``size`` bytes of memory; totals measured at another size are dropped."""
    if size == card.marketed_memory:
        return card
    return card._replace(
        id=f"{card.id}-{size // GIB}gb",
        name=f"{card.name}, {size // GIB} GB",
        marketed_memory=size,
        driver_total_bytes=None,
        visible_bytes=None,
        visible_low=None,
        visible_high=None,
        visible_source=None,
        visible_basis="measured",
    )


def _unknown(name: str) -> str:
    from difflib import get_close_matches

    own, _, default = _index()
    keys = {**default, **own}
    near = get_close_matches(name_key(name), keys, n=12, cutoff=0.6)
    ids = list(dict.fromkeys(_rows()[keys[key]]["id"] for key in near))[:3]
    hint = f"did you mean {' or '.join(ids)}" if ids else "`weigh cards` lists them all"
    return f"no card is called {name!r}; {hint} (a size such as 24GiB stands for any card)"


def card_named(name: str, total: int | None = None) -> Card | None:
    """The card that a driver means by ``name``; ``total`` bytes decide between cards that share it.

    None where no card has exactly that name, or where none of that name has about that memory.
    """
    own, shared, _ = _index()
    key = name_key(name)
    numbers = [*([own[key]] if key in own else []), *shared.get(key, ())]
    cards = [_card(number) for number in numbers]
    if total is None:
        return cards[0] if len(cards) == 1 else None
    fitting = [card for card in cards if 0.9 <= total / card.marketed_memory <= 1.02]
    return fitting[0] if fitting else None


def custom_card(size: int, text: str) -> Card:
    """A card of ``size`` bytes of which nothing else is known: it can be filled, not timed."""
    return Card(
        id=text.strip().lower().replace(" ", ""),
        name=f"a card of {text.strip()}",
        vendor="custom",
        kind="custom",
        marketed_memory=size,
        marketed_unit="B",
        source="given on the command line",
    )


def list_cards(
    *,
    vendor: str | None = None,
    kind: str | None = None,
    architecture: str | None = None,
    text: str | None = None,
    min_memory: int | str | None = None,
    max_memory: int | str | None = None,
) -> tuple[Card, ...]:
    """Cards of the table in its order, filtered; memory bounds are bytes or sizes with a unit.

    ``vendor``, ``kind`` and ``architecture`` must be known ones (case does not matter); every
    word of ``text`` must occur in the id, name or aliases.
    """
    wanted = {"vendor": vendor, "kind": kind, "architecture": architecture}
    least = parse_size(min_memory) if min_memory is not None else 0
    most = parse_size(max_memory) if max_memory is not None else None
    numbers = [n for n, row in enumerate(_rows()) if _matches(row, wanted, text)]
    if not numbers:
        _refuse_unknown(wanted)
    cards = (_card(number) for number in numbers)
    return tuple(
        card
        for card in cards
        if least <= card.marketed_memory and (most is None or card.marketed_memory <= most)
    )


def _matches(row: dict[str, Any], wanted: dict[str, str | None], text: str | None) -> bool:
    for field, value in wanted.items():
        if value is not None and row[field].lower() != value.strip().lower():
            return False
    words = (text or "").lower().split()
    names = " ".join((row["id"], row["name"], *row.get("aliases", ()))).lower()
    return all(word in names for word in words)


def _refuse_unknown(wanted: dict[str, str | None]) -> None:
    for field, value in wanted.items():
        known = dict.fromkeys(_values(field))
        if value is not None and value.strip().lower() not in (name.lower() for name in known):
            raise HardwareError(f"no card has {field} {value!r}; known are {', '.join(known)}")


def _values(field: str) -> Iterator[str]:
    return (row[field] for row in _rows())
