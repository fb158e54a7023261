"""``weigh sweep``: totals over contexts and concurrencies, or every point of a study file."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from weighbridge.commands.shared import (
    Run,
    add_request,
    count,
    format_of,
    print_json,
    request_options,
)
from weighbridge.errors import InputError


def build(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Run:
    """Arguments of the command, and what runs it."""
    if any(each.endswith(".toml") and not each.startswith("-") for each in arguments):
        return _build_study(parser)
    add_request(parser, arguments)
    for action in parser._actions:
        if action.dest in {"max_model_len", "concurrency"}:
            action.type = _counts(*action.option_strings)
            action.help = f"{action.help}; several, with commas"

    def run(options: argparse.Namespace) -> int:
        from weighbridge.api import sweep
        from weighbridge.show.sweep import sweep_rows, sweep_to_text
        from weighbridge.show.tables import markdown_table

        given = request_options(options, arguments)
        for name in ("input_tokens", "output_tokens"):
            if name in given:
                raise InputError("a sweep reads each context as a prompt that fills it; "
                                 f"leave --{name.replace('_', '-')} out")  # fmt: skip
        contexts = given.pop("max_model_len", None) or [2**n for n in range(10, 18)]
        concurrencies = given.pop("concurrency", None) or [1, 2, 4, 8, 16]
        grid = sweep(options.model, context=contexts, concurrency=concurrencies, **given)
        style = format_of(options)
        if style == "json":
            print_json(grid.to_dict())
        elif style == "markdown":
            print(markdown_table(*sweep_rows(grid)))
        else:
            print(sweep_to_text(grid))
        return 0

    return run


def _build_study(parser: argparse.ArgumentParser) -> Run:
    parser.add_argument("study", metavar="STUDY.toml", help="what is fixed, and what varies")
    parser.add_argument("--out", metavar="FILE", help="the table: .csv, .parquet or .jsonl")
    parser.add_argument("--on-ray", metavar="ADDRESS",
                        help="spread it over a Ray cluster; local starts one here")  # fmt: skip
    parser.add_argument("--restart", action="store_true",
                        help="begin again instead of going on where a run was stopped")  # fmt: skip

    def run(options: argparse.Namespace) -> int:
        from weighbridge.api import study
        from weighbridge.show.study import Progress, swept_to_text

        with Progress() as progress:
            swept = study(options.study, out=options.out, on_ray=options.on_ray,
                          restart=options.restart, told=progress.told)  # fmt: skip
        if format_of(options) == "json":
            print_json(swept.to_dict())
        else:
            print(swept_to_text(swept))
        return 0

    return run


def _counts(*flags: str) -> Callable[[str], list[int]]:
    one = count(*flags)

    def read(text: str) -> list[int]:
        return [one(part) for part in text.split(",")]

    return read
