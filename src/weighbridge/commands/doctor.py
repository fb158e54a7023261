"""``weigh doctor``: what this machine has."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from weighbridge._version import __version__
from weighbridge.commands.shared import Run, format_of, print_json


def build(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Run:
    """Arguments of the command, and what runs it."""
    del arguments
    del parser

    def run(options: argparse.Namespace) -> int:
        from weighbridge.hardware.detect import detect, doctor_lines

        found = detect()
        if format_of(options) == "json":
            print_json({"schema": 1, "version": __version__, **found.to_dict()})
        else:
            print("\n".join(doctor_lines(found)))
        return 0

    return run
