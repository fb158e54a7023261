"""``weigh serve``: the page and the API, on this machine."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from weighbridge.commands.shared import Run, count
from weighbridge.errors import RequestError

MISSING = "weigh serve needs FastAPI and uvicorn; pip install 'weighbridge[serve]'"


def build(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Run:
    """Arguments of the command, and what runs it."""
    del arguments
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    add("--port", type=count("--port"), default=8080, metavar="N", help="default 8080; 0 finds one")
    add("--allow-host", action="append", default=[], metavar="NAME",
        help="a name that the server answers to, beside localhost and --host")  # fmt: skip
    add("--root", metavar="DIR", help="let models be named by paths inside this folder")
    add("--hub", action="store_true", help="let models be named org/name, and ask the Hub of them")
    add("--workers", type=count("--workers"), default=3, metavar="N",
        help="questions answered at once (default 3)")  # fmt: skip
    add("--seconds", type=count("--seconds"), default=10, metavar="N",
        help="the longest that one answer may take (default 10)")  # fmt: skip
    add("--long-seconds", type=count("--long-seconds"), default=120, metavar="N",
        help="the same of a search or a simulation (default 120)")  # fmt: skip
    add("--quiet", action="store_true", help="no line a request on standard error")

    def run(options: argparse.Namespace) -> int:
        try:
            from weighbridge.serve.run import serve
        except ImportError as error:
            raise RequestError(f"{MISSING} ({error})") from None
        return serve(options)

    return run
