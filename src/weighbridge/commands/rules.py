"""``weigh rules``: well-known rules of thumb beside the plan."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from weighbridge._version import __version__
from weighbridge.commands.shared import Run, add_request, format_of, print_json, request_options


def build(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Run:
    """Arguments of the command, and what runs it."""
    add_request(parser, arguments)
    parser.add_argument("--why", action="store_true", help="sources, and when each rule fails")

    def run(options: argparse.Namespace) -> int:
        from weighbridge.planner import plan_request
        from weighbridge.request import make_request
        from weighbridge.rules import rules_for
        from weighbridge.rules.claims import claims_for, claims_to_text
        from weighbridge.rules.text import rules_to_text
        from weighbridge.show.style import encodable

        made = plan_request(make_request(options.model, request_options(options, arguments)))
        results, claims = rules_for(made), claims_for(made)
        if format_of(options) == "json":
            print_json(
                {
                    "schema": 1,
                    "version": __version__,
                    "model": {"id": made.model.id, "parameters": made.model.parameters},
                    "rules": [result.to_dict() for result in results],
                    "claims": [claim.to_dict() for claim in claims],
                }
            )
        else:
            print(rules_to_text(made, results, why=options.why))
            print()
            print(encodable(claims_to_text(claims, why=options.why), sys.stdout.encoding))
        return 0

    return run
