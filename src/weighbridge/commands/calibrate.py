"""``weigh calibrate``: constants of one's own machine, from what was measured on it.

Of speed from a benchmark's file: ``weigh calibrate MODEL --on CARD --from FILE``; of memory from
rows of the store or of files: ``weigh calibrate --memory``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from weighbridge._version import __version__
from weighbridge.commands.shared import Run, add_request, format_of, print_json, request_options

if TYPE_CHECKING:
    from weighbridge.measure.calibrate.fit import Fit
    from weighbridge.measure.store.rows import Row


def build(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Run:
    """Arguments of the command, and what runs it."""
    parser.add_argument(
        "--memory", action="store_true", help="constants of memory, from rows of the store"
    )
    parser.add_argument("--out", metavar="FILE", help="where to write the calibration")
    if "--memory" in arguments:
        return _build_memory(parser)
    add_request(parser, arguments)
    parser.add_argument(
        "--from", dest="runs", required=True, metavar="FILE",
        help="llama-bench JSON or CSV, JSON of vllm bench serve, AIPerf or GuideLLM, or own lines",
    )  # fmt: skip
    return lambda options: _speed(options, arguments)


def _build_memory(parser: argparse.ArgumentParser) -> Run:
    parser.add_argument(
        "--from", dest="rows", action="append", default=[], metavar="FILE",
        help="lines of JSON, or a folder of such, instead of the store",
    )  # fmt: skip
    parser.add_argument("--store", metavar="PATH|URL", default="", help="the store")
    parser.add_argument("--engine", metavar="NAME", help="only rows of this engine")
    return _memory


def _memory(options: argparse.Namespace) -> int:
    from weighbridge.errors import CalibrationError
    from weighbridge.measure.calibrate.file import calibration_to_dict, write_calibration
    from weighbridge.measure.calibrate.fit import FEWEST, fit_all
    from weighbridge.measure.calibrate.known import published
    from weighbridge.measure.calibrate.samples import samples
    from weighbridge.memory.own import default_path

    rows, source = _chosen(options)
    found = [s for s in samples(rows) if options.engine in (None, s.engine)]
    fits = fit_all(found, published)
    if not fits:
        raise CalibrationError(
            f"{len(rows):,} rows hold {len(found):,} samples of a constant of memory, and {FEWEST} "
            "of one engine, version and class of card are needed; add logs of vLLM (weigh log "
            "--store) or measurements (weigh measure --store)"
        )
    data = calibration_to_dict(fits, source)
    if options.out and data["constants"]:
        write_calibration(data, options.out)
    if format_of(options) == "json":
        print_json({**data, "fits": [{**fit.to_dict(), "kept": fit.kept} for fit in fits]})
        return 0
    print(_fits_to_text(fits))
    if not data["constants"]:
        print("nothing is better than what is published; no calibration is written")
    elif options.out:
        print(f"written: {options.out}; use it with weigh MODEL --calibration {options.out}, or "
              f"for every plan as {default_path()}")  # fmt: skip
    return 0


def _chosen(options: argparse.Namespace) -> tuple[list[Row], str]:
    if options.rows:
        from weighbridge.measure.store.files import read_files

        unique = {row.digest: row for row in read_files(options.rows)}
        return list(unique.values()), ", ".join(options.rows)
    from weighbridge.measure.store import open_store

    with open_store(options.store) as store:
        return [kept.row for kept in store.rows()], store.name


def _fits_to_text(fits: Sequence[Fit]) -> str:
    from weighbridge.memory.own import NAMES
    from weighbridge.show.tables import table
    from weighbridge.units import format_bytes

    lines = []
    for fit in fits:
        name, engine, version, kind, ranks = fit.key
        share = f" + {fit.share:.1%}" if fit.share else ""
        lines.append((
            NAMES[name], f"{engine} {version}", kind, str(ranks), str(fit.rows), str(fit.families),
            format_bytes(fit.base) + share, format_bytes(round(fit.before)),
            format_bytes(round(fit.after)), "families left out" if fit.held_out else "same rows",
            "kept" if fit.kept else "no better: not kept",
        ))  # fmt: skip
    header = ("constant", "engine", "card", "ranks", "rows", "families", "fitted", "error before",
              "after", "on", "")  # fmt: skip
    return table(header, lines, "lllrrrrrrll")


def _speed(options: argparse.Namespace, arguments: Sequence[str]) -> int:
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
