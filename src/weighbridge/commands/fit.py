"""``weigh fit``: how far a machine goes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from weighbridge.commands.shared import Run, add_request, format_of, print_json, request_options


def build(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Run:
    """Arguments of the command, and what runs it."""
    add_request(parser, arguments)

    def run(options: argparse.Namespace) -> int:
        from weighbridge.api import fit
        from weighbridge.show.fit import fit_to_text
        from weighbridge.show.style import printed

        found = fit(options.model, **request_options(options, arguments))
        if format_of(options) == "json":
            print_json(found.to_dict())
        else:
            print(printed(fit_to_text(found)))
        return 0 if found.context.plan is not None or found.users.plan is not None else 1

    return run
