"""``weigh calibrate``: constants of one's own machine, from what a benchmark measured on it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from weighbridge._version import __version__
from weighbridge.commands.shared import Run, add_request, format_of, print_json, request_options


def build(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Run:
    """Arguments of the command, and what runs it."""
    add_request(parser, arguments)
    parser.add_argument(
        "--from", dest="runs", required=True, metavar="FILE",
        help="llama-bench JSON or CSV, JSON of vllm bench serve, AIPerf or GuideLLM, or own lines",
    )  # fmt: skip
    parser.add_argument("--out", metavar="FILE", help="where to write the calibration")

    def run(options: argparse.Namespace) -> int:
        from os.path import basename

        from weighbridge.errors import RequestError
        from weighbridge.request import make_request
        from weighbridge.speed.ask import missing, settle
        from weighbridge.speed.calibration import calibrate, calibration_to_dict
        from weighbridge.speed.constants import constants_of, platform_of
        from weighbridge.speed.measured import read_runs

        runs = read_runs(options.runs)
        subject = settle(make_request(options.model, request_options(options, arguments)))
        base = constants_of(subject.engine, platform_of(subject.card.vendor))
        if base is None:
            raise RequestError(f"{subject.engine} cannot be calibrated: {missing(subject)}")
        found = calibrate(subject, base, runs, basename(options.runs))
        data = {**calibration_to_dict(found, subject), "version": __version__}
        if options.out:
            try:
                with open(options.out, "w", encoding="utf-8") as file:
                    file.write(json.dumps(data, indent=1) + "\n")
            except OSError as error:
                raise RequestError(f"--out {options.out} cannot be written: {error}") from None
        if format_of(options) == "json":
            print_json(data)
            return 0
        for name, factor in found.factors.items():
            print(f"{name:<18} × {factor:.3f}")
        print(f"{found.runs} runs; median error {found.before:.1%} before, {found.after:.1%} after")
        if options.out:
            print(f"written: {options.out}; use it with weigh speed … --calibration {options.out}")
        return 0

    return run
