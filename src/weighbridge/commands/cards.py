"""``weigh cards``: the accelerators of the table."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial

from weighbridge.commands.shared import Run, nothing, print_table


def build(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Run:
    """Arguments of the command, and what runs it."""
    del arguments
    from weighbridge.units import parse_size

    parser.add_argument("text", nargs="?", default=None, help="only names that contain this")
    parser.add_argument("--vendor", help="NVIDIA, AMD, Intel, Apple, Google, AWS")
    parser.add_argument("--kind", help="discrete, laptop, unified or accelerator")
    parser.add_argument("--architecture", help="Hopper, Ada Lovelace, CDNA3, …")
    for flag in ("--min-memory", "--max-memory"):
        parser.add_argument(
            flag, type=partial(parse_size, what=flag), metavar="SIZE", help="such as 24GiB"
        )

    def run(options: argparse.Namespace) -> int:
        from weighbridge.hardware.cards import list_cards
        from weighbridge.hardware.table import card_to_dict, cards_table
        from weighbridge.show.tables import markdown_table, table

        cards = list_cards(
            vendor=options.vendor,
            kind=options.kind,
            architecture=options.architecture,
            min_memory=options.min_memory,
            max_memory=options.max_memory,
            text=options.text,
        )
        header, *rows = cards_table(cards)
        data = {"schema": 1, "cards": [card_to_dict(card) for card in cards]}
        print_table(options, header, rows, data, table, markdown_table)
        return 0 if rows else nothing("no card of the table answers to that")

    return run
