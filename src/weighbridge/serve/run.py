"""Listen, and say where."""

from __future__ import annotations

import os
import socket
import sys
from argparse import Namespace

import uvicorn

from weighbridge.errors import RequestError
from weighbridge.serve.app import make_app
from weighbridge.serve.guard import LOOPBACK
from weighbridge.serve.settings import Settings

CONNECTIONS = 256


def settings_of(options: Namespace) -> Settings:
    """The settings that a command line means; RequestError where they cannot be."""
    root = None
    if options.root is not None:
        root = os.path.realpath(options.root)
        if not os.path.isdir(root):
            raise RequestError(f"--root {options.root!r} is no folder")
    if not 1 <= options.workers <= 256:
        raise RequestError("--workers is 1 to 256")
    if not 0 <= options.port <= 65535:
        raise RequestError("--port is 0 to 65535")
    if not options.seconds or not options.long_seconds:
        raise RequestError("--seconds and --long-seconds are at least 1")
    return Settings(
        host=options.host,
        port=options.port,
        hosts=tuple(options.allow_host),
        root=root,
        hub=options.hub,
        workers=options.workers,
        seconds=float(options.seconds),
        long_seconds=float(options.long_seconds),
    )


def serve(options: Namespace) -> int:
    """Serve until interrupted."""
    settings = settings_of(options)
    listening = _listen(settings)
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    print(f"weigh serve: http://{shown}:{port}/ (Ctrl-C ends it)", file=sys.stderr, flush=True)
    if settings.host not in LOOPBACK:
        print("weigh serve: other machines can ask this server, and it asks nobody who they are; "
              "put a proxy in front that does", file=sys.stderr, flush=True)  # fmt: skip
    config = uvicorn.Config(
        make_app(settings, log=not options.quiet),
        http="h11",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=3,
        h11_max_incomplete_event_size=32_768,
    )
    try:
        uvicorn.Server(config).run([listening])
    except KeyboardInterrupt:
        return 130
    return 0


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=128)
    except OSError as error:
        raise RequestError(
            f"{settings.host} port {settings.port} cannot be listened on: {error.strerror or error}"
        ) from None
