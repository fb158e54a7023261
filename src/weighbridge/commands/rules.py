"""``weigh rules``: well-known rules of thumb beside the plan."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from weighbridge.commands.shared import Run, add_request, format_of, print_json, request_options


def build(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Run:
    """Arguments of the command, and what runs it."""
    add_request(parser, arguments)
    parser.add_argument("--why", action="store_true", help="sources, and when each rule fails")

    def run(options: argparse.Namespace) -> int:
        from weighbridge.planner import plan_request
        from weighbridge.request import make_request
        from weighbridge.rules.claims import claims_to_text
        from weighbridge.rules.report import rules_report
        from weighbridge.show.rules import rules_to_text
        from weighbridge.show.style import printed

        made = plan_request(make_request(options.model, request_options(options, arguments)))
        report = rules_report(made)
        if format_of(options) == "json":
            print_json(report.to_dict())
        else:
            print(rules_to_text(made, report.rules, why=options.why))
            print()
            print(printed(claims_to_text(report.claims, why=options.why)))
        return 0

    return run
