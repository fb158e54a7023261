"""``weigh accuracy``: every measured row beside what is predicted of it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge._version import __version__
from weighbridge.commands.shared import Run, format_of, print_json
from weighbridge.errors import RequestError

if TYPE_CHECKING:
    from weighbridge.measure.accuracy.report import Report

SETS = ("transformers", "vllm", "sglang", "tensorrt-llm", "llama.cpp", "training", "speed", "own")
BY = ("quantity", "engine", "version", "family", "card")


def build(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Run:
    """Arguments of the command, and what runs it."""
    del arguments
    parser.add_argument(
        "--set", action="append", choices=SETS, dest="sets", metavar="NAME",
        help=f"only these rows, may be given again: {', '.join(SETS)}",
    )  # fmt: skip
    parser.add_argument(
        "--by", action="append", choices=BY, metavar="KEY", help=f"group by: {', '.join(BY)}"
    )
    parser.add_argument("--worst", type=int, default=10, metavar="N", help="how many of the worst")
    parser.add_argument(
        "--store", metavar="PATH|URL", default="", help="the store that own rows are taken from"
    )
    parser.add_argument(
        "--rows", action="append", default=[], metavar="FILE",
        help="own rows from lines of JSON (or a folder of such), beside those of the store",
    )  # fmt: skip
    parser.add_argument("--every", action="store_true", help="with --json: every row, too")
    parser.add_argument("--plot", metavar="FILE", help="draw predicted against measured")
    parser.add_argument("--check", metavar="FILE", help="exit 1 where anything is worse than FILE")
    parser.add_argument("--baseline", metavar="FILE", help="write what --check compares with")

    def run(options: argparse.Namespace) -> int:
        from weighbridge.measure.accuracy.everything import collect
        from weighbridge.measure.accuracy.report import baseline_text

        made = collect(options.sets, options.store, options.rows, _told)
        _done()
        if options.plot:
            from weighbridge.show.plot_accuracy import plot_accuracy

            plot_accuracy(made, options.plot)
            print(f"drawn: {options.plot}", file=sys.stderr)
        if options.baseline:
            try:
                Path(options.baseline).write_text(baseline_text(made), encoding="utf-8")
            except OSError as error:
                raise RequestError(f"{options.baseline} cannot be written: {error}") from None
        if options.check:
            return _check(made, options)
        _print(made, options)
        return 0

    return run


def _told(name: str) -> None:
    """On a terminal: which set is at work, some take half a minute."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{name} …", end="", file=sys.stderr, flush=True)


def _done() -> None:
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _check(made: Report, options: argparse.Namespace) -> int:
    from weighbridge.measure.accuracy.report import read_baseline, regressions

    worse = regressions(made, read_baseline(options.check))
    if format_of(options) == "json":
        print_json({"schema": 1, "version": __version__, "worse": worse})
    else:
        print("\n".join(worse) or f"nothing is worse than {options.check}")
    return 1 if worse else 0


def _print(made: Report, options: argparse.Namespace) -> None:
    style = format_of(options)
    if style == "json":
        data = made.to_dict(rows=options.every)
        print_json({"schema": 1, "version": __version__, **data})
        return
    from weighbridge.show.accuracy import report_to_markdown, report_to_text
    from weighbridge.show.style import printed

    if style == "markdown":
        text = report_to_markdown(made, options.by or BY, options.worst)
    else:
        text = report_to_text(made, options.by or BY[:1], options.worst)
    print(printed(text))
