"""What people type: counts, sizes, machines, cards, models, engines, formats, options."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from weighbridge.engine import parse_engine
from weighbridge.errors import InputError
from weighbridge.formats import find_format
from weighbridge.formats.cache import find_cache_format
from weighbridge.hardware.cards import find_card
from weighbridge.hardware.machine import parse_machine
from weighbridge.model.assumed import assumed_model, parse_size
from weighbridge.model.catalog import find
from weighbridge.model.facts import Parameter
from weighbridge.model.reference import looks_like_path, resolve
from weighbridge.request import make_request
from weighbridge.units import format_bytes, parse_count
from weighbridge.units import parse_size as parse_bytes

WEIGHT = Parameter("model.layers.0.mlp.up_proj.weight", (4096, 1024), "linear")
# Only names of this length are looked for among all names, which takes milliseconds.
LONGEST_NAME = 24


def _count(text: str) -> None:
    assert 0 <= parse_count(text) < 2**63


def _size(text: str) -> None:
    count = parse_bytes(text)
    assert 0 <= count < 2**63
    assert format_bytes(count)


def _machine(text: str) -> None:
    machine = parse_machine(text)
    assert 1 <= len(machine.devices) <= 1024
    assert parse_machine(machine.name).name == machine.name or not all(
        card.id == find_card(card.id).id for card in machine.devices if not card.id[:1].isdigit()
    )
    assert machine.link is None or machine.link.kind


def _model(text: str) -> None:
    find(text)
    size = parse_size(text)
    if size is not None:
        assert assumed_model(text, *size).parameters > 0
    if len(text) <= LONGEST_NAME and not looks_like_path(text.strip()):
        resolve(text)


def _format(text: str) -> None:
    assert find_format(text).bytes_of(WEIGHT) > 0


def _options(text: str) -> None:
    key, _, value = text.partition("=")
    make_request("7b", {key: value})


EVERY: tuple[Callable[[str], Any], ...] = (
    _count, _size, _machine, find_card, _model, parse_engine, _format, find_cache_format, _options,
)  # fmt: skip


def one(data: bytes) -> None:
    """Every parser gets the same text."""
    text = data.decode("utf-8", "surrogateescape")
    for parse in EVERY:
        with suppress(InputError):
            parse(text)
