"""``weigh plan``: what a model takes, on which card it fits, and why."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from weighbridge.commands.shared import Run, add_request, format_of, print_json, request_options


def build(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Run:
    """Arguments of the command, and what runs it."""
    add_request(parser, arguments)
    parser.add_argument(
        "--why", action="store_true", help="open every number: formula, inputs, source"
    )

    def run(options: argparse.Namespace) -> int:
        from weighbridge.api import plan

        made = plan(options.model, **request_options(options, arguments))
        style = format_of(options)
        if style == "json":
            print_json(made.to_dict())
        elif style == "markdown":
            from weighbridge.show.markdown import plan_to_markdown

            print(plan_to_markdown(made))
        else:
            from weighbridge.show.style import encodable, wants_colour
            from weighbridge.show.text import plan_to_text

            colour = wants_colour(sys.stdout)
            text = plan_to_text(made, why=options.why, colour=colour)
            print(encodable(text, sys.stdout.encoding))
        return 1 if made.fits is False else 0

    return run
