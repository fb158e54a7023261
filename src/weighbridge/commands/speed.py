"""``weigh speed``: time per token and to the first token, where it goes, what would help."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from weighbridge.commands.shared import (
    Run,
    add_request,
    count,
    format_of,
    print_json,
    request_options,
)


def build(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Run:
    """Arguments of the command, and what runs it."""
    history = "--history" in arguments
    if not history:
        add_request(parser, arguments)
        parser.add_argument("--what-if", action="store_true", help="what each remedy is worth")
        parser.add_argument(
            "--drafts", type=count("--drafts"), default=0, metavar="N",
            help="tokens drafted in each step, accepted as measured for multi-token prediction",
        )  # fmt: skip
    parser.add_argument("--history", action="store_true", help="growth by year, from the tables")
    parser.add_argument("--plot", metavar="FILE", help="draw it: .svg or .png")
    return _history if history else lambda options: _speed(options, arguments)


def _speed(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    from weighbridge.api import speed
    from weighbridge.show.style import printed

    report = speed(
        options.model,
        drafts=options.drafts,
        what_if=options.what_if,
        **request_options(options, arguments),
    )
    found = report.answer
    if options.plot:
        from weighbridge.show.plots import check_path, plot_speed

        plot_speed(found, check_path(options.plot))
        print(f"drawn: {options.plot}", file=sys.stderr)
    if format_of(options) == "json":
        print_json(report.to_dict())
        return 0
    print(printed(str(report)))
    return 0


def _history(options: argparse.Namespace) -> int:
    from weighbridge.show.tables import table
    from weighbridge.speed.history import history

    series = history()
    if options.plot:
        from weighbridge.show.plots import check_path, plot_history

        plot_history(series, check_path(options.plot))
        print(f"drawn: {options.plot}", file=sys.stderr)
    if format_of(options) == "json":
        rows = [
            {"what": s.what, "growth_per_year": s.growth, "best": [p._asdict() for p in s.best]}
            for s in series
        ]
        print_json({"schema": 1, "history": rows})
        return 0
    lines = [(s.what, f"{p.year}", f"{p.value:,.4g}", p.name) for s in series for p in s.best]
    print(table(("", "year", "largest", "of"), lines, "llrl"))
    print("\n".join(f"{s.what}: × {s.growth:.2f} a year" for s in series))
    return 0
