"""Formats and cards, from their tables."""

from __future__ import annotations

from itertools import groupby

from scripts.documents.text import code, grid, page
from weighbridge.formats.cache import CACHE_FORMATS
from weighbridge.formats.table import FORMATS
from weighbridge.hardware.card import Card
from weighbridge.hardware.cards import list_cards
from weighbridge.units import GB, format_bytes

NAMED = (
    ("`gptq-int4-g32`, `gptq-int8-g-1`, `gptq-int4-g128-static`", "GPTQ: 2, 3, 4 or 8 bits, group"),
    ("`awq-int4-g64`", "AWQ: group of 32, 64, 128, or a row (-1)"),
    ("`hqq-int4-g64`", "HQQ: bits and group"),
    ("`w4a16-g128`, `w8a16`, `w4a16-g128-asym`", "compressed-tensors, packed"),
    ("`exl2-4.25`, `exl3-3.5bpw`", "ExLlamaV2 and V3 by average bits"),
)


def formats() -> str:
    """Formats of weights and of the cache."""
    rows = [
        (code(each.name), each.title, f"{each.bits_per_weight:.4g}",
         ", ".join(sorted(each.touches)), each.rest_bits,
         ", ".join(map(code, each.aliases)), each.source)
        for each in FORMATS
    ]  # fmt: skip
    cache = [
        (code(each.name), each.title, f"{each.bits:.4g}", ", ".join(each.engines),
         ", ".join(map(code, each.aliases)), each.source)
        for each in CACHE_FORMATS
    ]  # fmt: skip
    return page(
        "Formats",
        "Bits are those of a large matrix, scales included. What a format does not touch stays in "
        "the bits of the column *rest*.",
        "## Weights (`--weights`)\n\n"
        + grid(("name", "what it is", "bits", "touches", "rest", "aliases", "source"), rows),
        "Besides these, names with numbers in them are read:\n\n" + grid(("name", "what"), NAMED),
        "## Cache (`--kv-cache-dtype`)\n\n"
        + grid(("name", "what it is", "bits", "engines", "aliases", "source"), cache),
    )


def cards() -> str:
    """Every accelerator, by its maker."""
    found = sorted(list_cards(), key=lambda card: card.vendor)
    parts = [
        f"{len(found)} accelerators. *Usable* is what a program can allocate, with its basis; "
        "`weigh card NAME` shows bounds, reasons and notes."
    ]
    for vendor, group in groupby(found, key=lambda card: card.vendor):
        parts.append(f"## {vendor}\n\n" + grid(HEADER, map(_card, group)))
    return page("Cards", *parts)


HEADER = ("id", "name", "memory", "usable", "basis", "GB/s", "TFLOPS 16 bit", "watts", "source")


def _card(card: Card) -> tuple[object, ...]:
    speed = card.flops("bf16") or card.flops("fp16")
    return (
        code(card.id),
        card.name,
        f"{card.marketed_memory / (GB if card.marketed_unit == 'GB' else 2**30):g} "
        f"{card.marketed_unit}",
        format_bytes(card.usable_bytes),
        card.usable_basis,
        f"{card.bandwidth / GB:,.0f}" if card.bandwidth else "not known",
        f"{speed / 1e12:,.4g}" if speed else "not known",
        card.watts or "not known",
        card.source,
    )  # fmt: skip
