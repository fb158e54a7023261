"""``weigh recommend``: which card, engine, format and split for a model, or which models."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from weighbridge.commands.shared import KNOWN, Run, add_option, format_of, print_json
from weighbridge.options.common import DEPLOYMENT, WORKLOAD
from weighbridge.options.recommend import MODELS, WISHES

COMMON = ("on", "engine", "weights", "kv_cache_dtype", "max_model_len", "input_tokens",
          "output_tokens", "concurrency")  # fmt: skip


def build(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Run:
    """Arguments of the command, and what runs it."""
    del arguments
    parser.add_argument("model", metavar="MODEL", nargs="?", help=f"{KNOWN}; none: which models")
    group = parser.add_argument_group("what is to run")
    for option in (*DEPLOYMENT, *WORKLOAD):
        if option.name in COMMON:
            add_option(group, option, None)
    group = parser.add_argument_group("what it must keep to")
    for option in WISHES:
        add_option(group, option, None)
    group = parser.add_argument_group("which models run well on a card, where no MODEL is named")
    known = {option.name for option in WISHES}
    for option in MODELS:
        if option.name not in known:
            add_option(group, option, None)
    parser.add_argument("--plot", metavar="FILE", help="draw cost against speed: .svg or .png")
    return _run


def _run(options: argparse.Namespace) -> int:
    from weighbridge.api import recommend

    names = {*COMMON, *(option.name for option in (*WISHES, *MODELS))}
    given: dict[str, Any] = {name: getattr(options, name) for name in names}
    if given["on"] is not None:
        given["on"] = ",".join(given["on"])
    if options.plot:
        from weighbridge.show.plots import check_path

        check_path(options.plot)
    found = recommend(options.model, **{k: v for k, v in given.items() if v is not None})
    from weighbridge.search.models import Shelf

    return _shelf(found, options) if isinstance(found, Shelf) else _recommended(found, options)


def _shelf(found: Any, options: argparse.Namespace) -> int:
    from weighbridge.show.recommend import shelf_to_text

    if format_of(options) == "json":
        print_json(found.to_dict())
    else:
        _print(shelf_to_text(found))
    return 0 if found.groups else 1


def _recommended(found: Any, options: argparse.Namespace) -> int:
    from weighbridge.show.recommend import command_of, recommendation_to_text

    if options.plot:
        from weighbridge.show.plots import check_path, plot_front

        plot_front(found, check_path(options.plot))
        print(f"drawn: {options.plot}", file=sys.stderr)
    if format_of(options) == "json":
        data = found.to_dict()
        for row, choice in zip(data["recommended"], found.listed, strict=True):
            row["command"] = command_of(choice)
        print_json(data)
    else:
        _print(recommendation_to_text(found, command_of))
    return 0 if found.front else 1


def _print(text: str) -> None:
    from weighbridge.show.style import printed

    print(printed(text))
