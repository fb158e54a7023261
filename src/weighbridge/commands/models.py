"""``weigh models``: the models of the catalogue."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from weighbridge.commands.shared import Run, nothing, print_table


def build(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Run:
    """Arguments of the command, and what runs it."""
    del arguments
    parser.add_argument("text", nargs="?", default="", help="only names that contain this")

    def run(options: argparse.Namespace) -> int:
        from weighbridge.show.catalogue import models_rows
        from weighbridge.show.tables import markdown_table, table

        header, rows, records = models_rows(options.text)
        print_table(options, header, rows, {"schema": 1, "models": records},
                     table, markdown_table)  # fmt: skip
        return 0 if rows else nothing(f"no model of the catalogue contains {options.text!r}")

    return run
