"""``weigh store``: measurements, observations of logs and benchmark files, kept and passed on."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge.commands.shared import Run, format_of, print_json
from weighbridge.errors import StoreError
from weighbridge.words import say

if TYPE_CHECKING:
    from weighbridge.measure.store.store import Kept

STORE = "a file (SQLite), or a URL of SQLAlchemy (default $WEIGHBRIDGE_STORE, or a file of yours)"
HEADER = ("kind", "engine", "model", "card", "from", "since", "digest")


def build(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Run:
    """Arguments of the command, and what runs it."""
    del arguments
    parser.add_argument("action", choices=("import", "export", "list"), help="what to do")
    parser.add_argument(
        "files", nargs="*", metavar="FILE",
        help="to import: lines of JSON, files of llama-bench, vllm bench serve, AIPerf, GuideLLM, "
        "or folders of such",
    )  # fmt: skip
    parser.add_argument("--store", metavar="PATH|URL", default="", help=STORE)
    parser.add_argument(
        "--kind", choices=("measurement", "log", "benchmark"), help="only rows of this kind"
    )
    parser.add_argument(
        "--out", metavar="FILE|FOLDER", help="where to export to, instead of standard output"
    )

    def run(options: argparse.Namespace) -> int:
        if options.action == "import":
            return _import(options)
        if options.files:
            raise StoreError(f"weigh store {options.action} reads no file; --store names the store")
        return _export(options) if options.action == "export" else _list(options)

    return run


def _import(options: argparse.Namespace) -> int:
    from weighbridge.measure.store import open_store
    from weighbridge.measure.store.files import read_files

    if not options.files:
        raise StoreError("no file to import was named")
    rows = [row for row in read_files(options.files) if options.kind in (None, row.kind)]
    with open_store(options.store, write=True) as store:
        added, name = store.put(rows), store.name
    if format_of(options) == "json":
        print_json({"schema": 1, "store": name, **added._asdict()})
    else:
        print(f"{added.new:,} rows kept in {name}; {added.known:,} were there already")
    return 0


def _rows(options: argparse.Namespace) -> list[Kept]:
    from weighbridge.measure.store import open_store

    with open_store(options.store) as store:
        return store.rows(options.kind)


def _export(options: argparse.Namespace) -> int:
    rows = [kept.row for kept in _rows(options)]
    if options.out is None:
        if format_of(options) == "json":
            print_json({"schema": 1, "records": [row.record for row in rows]})
        else:
            sys.stdout.writelines(row.text + "\n" for row in rows)
        return 0
    from weighbridge.measure.store.lines import write_rows

    made = write_rows(rows, Path(options.out))
    if format_of(options) == "json":
        print_json({"schema": 1, "rows": len(rows), "files": [str(path) for path in made]})
    else:
        print(f"{len(rows):,} rows written: {', '.join(map(str, made)) or 'nothing'}")
    return 0


def _list(options: argparse.Namespace) -> int:
    from weighbridge.commands.shared import nothing, print_table
    from weighbridge.show.tables import markdown_table, table

    rows = _rows(options)
    data = {"schema": 1, "rows": [{**kept.row.to_dict(), "added": kept.added} for kept in rows]}
    if not rows and format_of(options) != "json":
        return nothing(say("the store is empty; fill it with: weigh store import FILE…"))
    lines = [
        (row.kind, row.engine, row.model, row.card, row.source, added[:19], row.digest[:12])
        for row, added in rows
    ]
    print_table(options, HEADER, lines, data, table, markdown_table)
    return 0
