"""Cards, machines and what is in this computer.

``cards.jsonl`` holds one row per accelerator; to add a card, write one row (the keys are
explained in :mod:`weighbridge.hardware.card`). Only :mod:`weighbridge.hardware.detect` looks at
the real machine; everything else is look-up and arithmetic.
"""

from weighbridge.hardware.card import Card
from weighbridge.hardware.cards import Found, custom_card, find_card, list_cards, look_up
from weighbridge.hardware.machine import Link, Machine, machine_of, parse_machine
from weighbridge.hardware.usable import Usable

__all__ = [
    "Card",
    "Found",
    "Link",
    "Machine",
    "Usable",
    "custom_card",
    "find_card",
    "list_cards",
    "look_up",
    "machine_of",
    "parse_machine",
]
