"""``weigh trace``: the model's own code run without weights and without a GPU."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from weighbridge.commands.shared import KNOWN, Run, add_option, format_of, print_json
from weighbridge.trace.question import OPTIONS, Question


def build(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Run:
    """Arguments of the command, and what runs it."""
    del arguments
    parser.add_argument("model", metavar="MODEL", help=KNOWN)
    group = parser.add_argument_group("what is run")
    for option in OPTIONS:
        name = "run" if option.name == "pass" else option.name
        add_option(group, option, getattr(Question, "_defaults", {}).get(name))
    how = parser.add_argument_group("how it is run")
    how.add_argument("--timeout", type=int, default=300, metavar="SECONDS",
                     help="longest time that the child process may take (default 300)")  # fmt: skip
    how.add_argument("--host-memory", default="16GiB", metavar="SIZE",
                     help="largest address space of the child process (default 16GiB)")  # fmt: skip
    shown = parser.add_argument_group("what is shown")
    shown.add_argument("--compare", action="store_true",
                       help="set the closed form beside the trace")  # fmt: skip
    shown.add_argument("--modules", action="store_true", help="the peak's bytes by module")
    shown.add_argument("--plot", metavar="FILE", help="draw the timeline: .svg, .png or .pdf")

    return _run


def _run(options: argparse.Namespace) -> int:
    from weighbridge.api import trace
    from weighbridge.show.trace import comparison_to_text, trace_to_text

    given = {option.name: getattr(options, option.name) for option in OPTIONS}
    given = {name: value for name, value in given.items() if value is not None}
    found, question = trace(
        options.model, timeout=options.timeout, host_memory=options.host_memory, **given
    )
    compared = None
    if options.compare:
        from weighbridge.trace.compare import compare

        compared = compare(options.model, question, found)
    if options.plot:
        from weighbridge.trace.plot import plot

        plot(found, options.plot, f"{options.model}: {question.run}")
    if format_of(options) == "json":
        data = {"model": options.model, **found.to_dict()}
        print_json({**data, "comparison": compared.to_dict()} if compared else data)
        return _code(found)
    print(trace_to_text(options.model, question, found, modules=options.modules))
    if compared is not None:
        print("\n" + comparison_to_text(compared))
    for note in found.notes:
        print(note, file=sys.stderr)
    return _code(found)


def _code(found: object) -> int:
    reserved = getattr(found, "reserved", None) or {}
    return 1 if reserved.get("fits") is False else 0
