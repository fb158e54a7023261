"""``weigh check``: whether what a team expects of its deployments still holds."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from weighbridge.commands.shared import Run, format_of, print_json
from weighbridge.errors import RequestError


def build(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Run:
    """Arguments of the command, and what runs it."""
    del arguments
    parser.add_argument("files", metavar="FILE", nargs="*", default=["plan.toml"],
                        help="what is expected (default plan.toml)")  # fmt: skip
    parser.add_argument("--junit", metavar="FILE", help="write JUnit's XML for a pipeline")

    def run(options: argparse.Namespace) -> int:
        from weighbridge.check import Report, check_file

        reports = [check_file(Path(name)) for name in options.files]
        whole = Report(", ".join(options.files), tuple(c for r in reports for c in r.checked))
        if options.junit:
            from weighbridge.show.check import check_to_junit

            try:
                Path(options.junit).write_text(check_to_junit(whole), encoding="utf-8")
            except OSError as error:
                raise RequestError(f"--junit {options.junit} cannot be written: "
                                   f"{error.strerror}") from None  # fmt: skip
        if format_of(options) == "json":
            print_json(whole.to_dict())
        else:
            from weighbridge.show.check import check_to_text
            from weighbridge.show.style import printed

            print(printed(check_to_text(whole)))
        return 2 if whole.broken else 0 if whole.holds else 1

    return run
