"""What people type: counts, sizes, machines, cards, models, engines, formats, options."""

from __future__ import annotations

import difflib
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from weighbridge.engine import parse_engine
from weighbridge.errors import InputError
from weighbridge.formats import find_format
from weighbridge.formats.cache import find_cache_format
from weighbridge.hardware.cards import find_card, known
from weighbridge.hardware.machine import parse_machine
from weighbridge.model.assumed import assumed_model, parse_size
from weighbridge.model.catalog import find
from weighbridge.model.facts import Parameter
from weighbridge.model.reference import looks_like_path, resolve
from weighbridge.request import make_request
from weighbridge.units import format_bytes, parse_count
from weighbridge.units import parse_size as parse_bytes

WEIGHT = Parameter("model.layers.0.mlp.up_proj.weight", (4096, 1024), "linear")


def _count(text: str) -> None:
    assert 0 <= parse_count(text) < 2**63


def _size(text: str) -> None:
    count = parse_bytes(text)
    assert 0 <= count < 2**63
    assert format_bytes(count)


def _machine(text: str) -> None:
    machine = parse_machine(text)
    assert 1 <= len(machine.devices) <= 1024
    if all(known(card.id) for card in machine.devices):
        assert parse_machine(machine.name).name == machine.name
    assert machine.link is None or machine.link.kind


def _model(text: str) -> None:
    find(text)
    size = parse_size(text)
    if size is not None:
        assert assumed_model(text, *size).parameters > 0
    if not looks_like_path(text.strip()):
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
    """Every parser gets the same text; one text in 16 also gets the names that are close to it,
    which take milliseconds to find."""
    text = data.decode("utf-8", "surrogateescape")
    close = difflib.get_close_matches
    if zlib.crc32(data) % 16:
        difflib.get_close_matches = lambda *_, **__: []
    try:
        for parse in EVERY:
            with suppress(InputError):
                parse(text)
    finally:
        difflib.get_close_matches = close
