"""``weigh mcp``: the same answers as tools for agents."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from weighbridge.commands.shared import Run, count
from weighbridge.errors import RequestError

MISSING = "weigh mcp needs the SDK of the Model Context Protocol; pip install 'weighbridge[mcp]'"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def build(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Run:
    """Arguments of the command, and what runs it."""
    del arguments
    add = parser.add_argument
    add("--http", action="store_true", help="serve over HTTP at /mcp instead of stdio")
    add("--host", default="127.0.0.1", help="loopback address to listen on (default 127.0.0.1)")
    add("--port", type=count("--port"), default=8081, metavar="N", help="default 8081")
    add("--root", metavar="DIR", help="let models be named by paths inside this folder")
    add("--hub", action="store_true", help="let models be named org/name, and ask the Hub of them")
    add("--workers", type=count("--workers"), default=2, metavar="N",
        help="questions answered at once (default 2)")  # fmt: skip

    def run(options: argparse.Namespace) -> int:
        import os

        try:
            from weighbridge.serve.mcp import serve_http, serve_stdio
        except ImportError as error:
            raise RequestError(f"{MISSING} ({error})") from None
        from weighbridge.serve.settings import Settings

        if options.host not in LOOPBACK:
            raise RequestError(f"--host {options.host} is not of this machine; put a proxy in "
                               "front that asks who is there")  # fmt: skip
        if options.root is not None and not os.path.isdir(options.root):
            raise RequestError(f"--root {options.root!r} is no folder")
        root = None if options.root is None else os.path.realpath(options.root)
        settings = Settings(host=options.host, port=options.port, root=root, hub=options.hub,
                            workers=max(options.workers, 1))  # fmt: skip
        (serve_http if options.http else serve_stdio)(settings)
        return 0

    return run
