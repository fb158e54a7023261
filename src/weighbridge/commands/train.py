"""``weigh train``: what training a model takes on every device, and how long it takes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from weighbridge.commands.shared import KNOWN, Run, add_option, format_of, print_json
from weighbridge.options.training import GROUPS, SOLVES, TARGETS, TRAINING
from weighbridge.request import Training


def build(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Run:
    """Arguments of the command, and what runs it."""
    del arguments
    parser.add_argument("model", metavar="MODEL", help=KNOWN)
    defaults = Training()
    for title, options in GROUPS:
        group = parser.add_argument_group(title)
        for option in options:
            add_option(group, option, getattr(defaults, option.name))
    answer = parser.add_argument_group("answer")
    answer.add_argument("--solve", choices=SOLVES, help="the largest, longest, fewest or cheapest "
                        "that fits, instead of what was asked")  # fmt: skip
    answer.add_argument("--emit", choices=TARGETS, help="print a configuration for this tool")
    answer.add_argument("--why", action="store_true", help="open every number")

    def run(options: argparse.Namespace) -> int:
        from weighbridge.api import train

        given = {option.name: getattr(options, option.name) for option in TRAINING}
        given["on"] = ",".join(given["on"]) if given["on"] is not None else None
        made = train(
            options.model,
            solve=options.solve,
            **{name: value for name, value in given.items() if value is not None},
        )
        style = format_of(options)
        if options.emit:
            from weighbridge.training.emit import emit

            print(emit(made, options.emit), end="")
        elif style == "json":
            print_json(made.to_dict())
        else:
            from weighbridge.show.style import printed, wants_colour
            from weighbridge.show.training import training_to_markdown, training_to_text

            if style == "markdown":
                print(training_to_markdown(made))
            else:
                text = training_to_text(made, why=options.why, colour=wants_colour(sys.stdout))
                print(printed(text))
        return 1 if made.fits is False else 0

    return run
