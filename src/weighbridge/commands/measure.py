"""``weigh measure``: run a point, or a campaign of them, on what this machine has."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from weighbridge.commands.shared import Run, add_option, format_of, print_json
from weighbridge.measure.points import SCHEMAS

OWN = ("model", "kind")


def build(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Run:
    """Arguments of the command, and what runs it."""
    del arguments
    parser.add_argument("model", metavar="MODEL", nargs="?", help="a catalogue name, a config.json "
                        "or a folder; weights are random, nothing is downloaded")  # fmt: skip
    group = parser.add_argument_group("the point")
    group.add_argument("--kind", choices=tuple(SCHEMAS), default=None,
                       help="what is measured (default inference)")  # fmt: skip
    done = set(OWN)
    for kind, schema in SCHEMAS.items():
        group = parser.add_argument_group(f"of kind {kind}")
        for name, (option, default) in schema.items():
            if name not in done:
                done.add(name)
                add_option(group, option, default)
    group = parser.add_argument_group("how it is measured")
    group.add_argument("--repeats", type=int, default=None, metavar="N",
                       help="how often each pass is run (default 3)")  # fmt: skip
    group.add_argument("--timeout", type=float, default=1800.0, metavar="SECONDS",
                       help="longest time of one point (default 1800)")  # fmt: skip
    group.add_argument("--into", metavar="FILE", help="append the records to this file")
    group.add_argument("--store", metavar="PATH|URL", nargs="?", const="",
                       help="keep the records in the store, too")  # fmt: skip
    group = parser.add_argument_group("a campaign")
    group.add_argument("--campaign", metavar="FILE",
                       help="a matrix of points in TOML, or cpu-small, h100-80gb")  # fmt: skip
    group.add_argument("--time-limit", metavar="TIME", help="stop cleanly after 90s, 20m or 2h")
    group.add_argument("--reduced", action="store_true",
                       help="the campaign's small values, to see that it works")  # fmt: skip
    group.add_argument("--list", action="store_true", help="its points in order, unmeasured")
    return _run


def _run(options: argparse.Namespace) -> int:
    if options.campaign:
        return _campaign(options)
    from weighbridge.api import measure
    from weighbridge.measure.record import append
    from weighbridge.show.measure import record_to_text

    names = {name for schema in SCHEMAS.values() for name in schema} | {"kind"}
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    found = measure(**given, repeats=options.repeats or 3, timeout=options.timeout, heard=_heard)
    if options.into:
        append(options.into, [found.record])
    if options.store is not None:
        _keep(options.store, found.record)
    if format_of(options) == "json":
        print_json(found.to_dict())
    else:
        print(record_to_text(found))
    return 1 if found.record.failed else 0


def _campaign(options: argparse.Namespace) -> int:
    from weighbridge.api import campaign

    if options.list:
        from weighbridge.measure.campaign import load

        points = load(options.campaign, reduced=options.reduced).points
        print_json({"schema": 1, "points": list(points)})
        return 0
    done = campaign(
        options.campaign,
        into=options.into,
        time_limit=options.time_limit,
        reduced=options.reduced,
        told=_told if options.store is None else partial(_told_and_kept, options.store),
        repeats=options.repeats,
        timeout=options.timeout,
    )
    if format_of(options) == "json":
        print_json(done.to_dict())
    else:
        print(
            f"{done.measured:,} points measured, {done.before:,} were there, {done.left:,} left"
            + (f", {done.failed:,} failed" if done.failed else "")
            + (f"; stopped at the {done.stopped}" if done.stopped else "")
        )
    return 0


def _heard(event: Mapping[str, Any]) -> None:
    if event.get("event") == "phase" and sys.stderr.isatty():
        print(event.get("name"), file=sys.stderr)


def _keep(store: str, record: Any) -> None:
    from weighbridge.measure.store import keep

    keep([record.to_dict()], store, "weigh measure")


def _told_and_kept(
    store: str, what: str, number: int, total: int, point: Mapping[str, Any], record: Any
) -> None:
    """A point of a campaign is in the store as soon as it is measured."""
    if record is not None:
        _keep(store, record)
    _told(what, number, total, point, record)


def _told(what: str, number: int, total: int, point: Mapping[str, Any], record: Any) -> None:
    if what == "start":
        words = " ".join(str(value) for value in point.values())
        print(f"{number}/{total}  {words}", end="", flush=True, file=sys.stderr)
    else:
        end = record.failed["what"] if record.failed else f"{record.seconds:.0f} s"
        print(f"  {end}", file=sys.stderr)
