"""One GET of a server's ``/metrics``: the other module that opens a socket.

The address is the user's own; redirects are not followed, and the answer is bounded in bytes and
seconds.
"""

from __future__ import annotations

import http.client
import time
from typing import Any
from urllib.parse import urlsplit

from weighbridge.errors import WatchError

SECONDS = 5.0
LARGEST = 8 * 2**20


def scrape(url: str, seconds: float = SECONDS) -> str:
    """The text of ``URL/metrics``. Raises WatchError where there is none, or not in time."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == -1:
        raise WatchError(f"--engine-url {url[:100]!r} is no address, such as http://localhost:8000")
    path = parts.path.rstrip("/")
    path = path if path.endswith("/metrics") else f"{path.removesuffix('/v1')}/metrics"
    kind: Any = http.client.HTTPSConnection if parts.scheme == "https" else (
        http.client.HTTPConnection
    )  # fmt: skip
    connection = kind(parts.hostname, port, timeout=seconds)
    shown = f"{parts.scheme}://{parts.hostname}{f':{port}' if port else ''}{path}"
    try:
        connection.request("GET", path, headers={"Accept": "text/plain"})
        response = connection.getresponse()
        if response.status != 200:
            raise WatchError(
                f"{shown} answers with status {response.status}; vLLM serves /metrics by itself, "
                "SGLang with --enable-metrics, llama-server with --metrics"
            )
        return _body(response, shown, time.monotonic() + seconds)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise WatchError(f"{shown} cannot be read: {error or type(error).__name__}") from None
    finally:
        connection.close()


def _body(response: Any, shown: str, until: float) -> str:
    """The whole body, read in pieces so that a server that drips is given up in time."""
    parts: list[bytes] = []
    size = 0
    while True:
        piece = response.read1(65536)
        if not piece:
            return b"".join(parts).decode("utf-8", "replace")
        parts.append(piece)
        size += len(piece)
        if size > LARGEST:
            raise WatchError(f"{shown} sends more than {LARGEST >> 20} MiB")
        if time.monotonic() > until:
            raise WatchError(f"{shown} did not end within its time")
