"""``weigh log``: what an engine's log says of memory, beside the prediction."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from weighbridge._version import __version__
from weighbridge.commands.shared import Run, format_of, print_json


def build(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Run:
    """Arguments of the command, and what runs it."""
    del arguments
    parser.add_argument("file", metavar="FILE", help="a log of an engine; - is standard input")
    parser.add_argument("--on", metavar="CARD", help="the machine, where the log does not name it")
    parser.add_argument(
        "--model", metavar="MODEL", help="the model, where the log does not name it"
    )
    parser.add_argument(
        "--append", metavar="FILE.jsonl", help="append the observation to a file of lines of JSON"
    )
    parser.add_argument(
        "--store", metavar="PATH|URL", nargs="?", const="", help="keep it in the store, too"
    )

    def run(options: argparse.Namespace) -> int:
        from weighbridge.measure.compare import compare
        from weighbridge.measure.logs import read_log
        from weighbridge.measure.store import append, keep
        from weighbridge.measure.store.lines import log_record
        from weighbridge.show.log import log_to_text

        seen = read_log(options.file)
        beside = compare(seen, on=options.on, model=options.model)
        if options.append:
            append(options.append, seen, on=options.on, weighbridge=__version__)
        if options.store is not None:
            keep([log_record(seen, on=options.on, weighbridge=__version__)], options.store,
                 options.file)  # fmt: skip
        if format_of(options) == "json":
            print_json({"schema": 1, "version": __version__, "observed": seen.to_dict(),
                        "beside": beside.to_dict()})  # fmt: skip
        else:
            from weighbridge.show.style import printed

            print(printed(log_to_text(seen, beside)))
        return 0

    return run
