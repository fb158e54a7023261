"""``weigh fleet``: how many cards serve so many users, what they wait, and what it costs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from weighbridge.commands.shared import (
    Run,
    add_option,
    add_request,
    format_of,
    print_json,
    request_options,
)


def build(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Run:
    """Arguments of the command, and what runs it."""
    from weighbridge.fleet.options import FLEET, NAMES

    named = any(each.partition("=")[0] == "--engine" for each in arguments)
    known = list(arguments) if named else [*arguments, "--engine", "vllm"]
    add_request(parser, known)
    # Users of a fleet think between answers, so --users is no longer another word for sequences.
    group = parser.add_argument_group("fleet", conflict_handler="resolve")
    for option in FLEET:
        add_option(group, option, None)
    parser.add_argument("--plot", metavar="FILE", help="draw latency against load: .svg or .png")

    def run(options: argparse.Namespace) -> int:
        from weighbridge.fleet.answer import fleet_of
        from weighbridge.fleet.options import settle
        from weighbridge.show.fleet import fleet_to_text
        from weighbridge.show.style import printed

        path = None
        if options.plot:
            from weighbridge.show.plots import check_path

            path = check_path(options.plot)
        given = request_options(options, known)
        own = {name: getattr(options, name) for name in NAMES}
        asking = settle(options.model, {**given, **{k: v for k, v in own.items() if v is not None}})
        found = fleet_of(asking, _progress())
        _done()
        if path is not None and found.best is not None:
            from weighbridge.fleet.answer import load_curve
            from weighbridge.show.plots import plot_fleet

            plot_fleet(found, load_curve(asking, found.best), path)
            print(f"drawn: {options.plot}", file=sys.stderr)
        if format_of(options) == "json":
            print_json(found.to_dict())
        else:
            print(printed(fleet_to_text(found)))
        return 0 if found.met or not asking.objective.asked else 1

    return run


def _progress() -> Any:
    """A line that says what runs, on a terminal."""
    if not sys.stderr.isatty():
        return None

    def told(what: str, share: float) -> bool:
        print(f"\r\x1b[2K{what} {share:4.0%}", end="", file=sys.stderr, flush=True)
        return False

    return told


def _done() -> None:
    if sys.stderr.isatty():
        print("\r\x1b[2K", end="", file=sys.stderr, flush=True)
