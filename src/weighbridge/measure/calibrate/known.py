"""What is published of a constant, for the class of card of a sample: what a fit must better."""

from __future__ import annotations

from weighbridge.engine.vllm import overheads
from weighbridge.hardware.card import Card
from weighbridge.hardware.cards import list_cards
from weighbridge.measure.calibrate.samples import Sample
from weighbridge.memory.context import hoard, process_context
from weighbridge.memory.own import class_of


def published(sample: Sample) -> int:
    """Bytes that a plan says without a calibration."""
    if sample.name == "context":
        return process_context(_card(sample.card_class)).typical
    if sample.name == "reserve":
        return hoard(sample.moving).typical
    major, minor = (int(part) for part in sample.version.split("."))
    table = overheads.OUTSIDE_TORCH if sample.name == "outside" else overheads.GRAPHS
    return int(overheads.published(table, (major, minor, 0), sample.ranks))


def _card(kind: str) -> Card | None:
    """Any card of the class."""
    return next((card for card in list_cards() if class_of(card) == kind), None)
