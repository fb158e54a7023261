"""A Hub on 127.0.0.1: serves one repository in the Hub's URL scheme, or lies about it."""

from __future__ import annotations

import http.server
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

TOKEN = "hf_" + "secret" * 6
COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPO = "org/model"


@dataclass(frozen=True)
class Part:
    """A file of ``size`` bytes of which only the first are real."""

    start: bytes
    size: int

    def read(self, begin: int, end: int) -> bytes:
        return self.start[begin:end].ljust(end - begin, b"\0")


Answer = Callable[["Handler"], bool]


@dataclass
class FakeHub:
    """The state of a server: its files, what it was asked, and how it misbehaves.

    ``lies`` are asked in turn whether they answer the request themselves.
    """

    files: dict[str, Part]
    lies: list[Answer] = field(default_factory=list)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    sent: int = 0
    port: int = 0
    delay: float = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def do_GET(self) -> None:
        self.hub.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
        time.sleep(self.hub.delay)
        try:
            if not any(lie(self) for lie in self.hub.lies):
                self.serve()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def serve(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if path == f"/api/models/{REPO}/revision/main":
            self.answer(200, self.listing())
        elif path.startswith(f"/{REPO}/resolve/{COMMIT}/"):
            self.serve_file(path.removeprefix(f"/{REPO}/resolve/{COMMIT}/"))
        else:
            self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def listing(self, **changes: object) -> bytes:
        siblings = [{"rfilename": n, "size": f.size} for n, f in self.hub.files.items()]
        siblings.append({"rfilename": "onnx/model.onnx", "size": 5})
        return json.dumps({"id": REPO, "sha": COMMIT, "siblings": siblings} | changes).encode()

    def serve_file(self, name: str) -> None:
        file = self.hub.files[name]
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if match is None:
            self.answer(200, file.read(0, file.size))
            return
        begin, end = int(match[1]), min(int(match[2]), file.size - 1)
        where = f"bytes {begin}-{end}/{file.size}"
        self.answer(206, file.read(begin, end + 1), {"Content-Range": where})

    def answer(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, length: bool = True
    ) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        if length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.write(body)

    def write(self, body: bytes) -> None:
        self.wfile.write(body)
        self.hub.sent += len(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def prepare(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """A token, an empty cache and no proxy for the client of huggingface_hub in this process."""
    from huggingface_hub import constants, get_session

    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("NO_PROXY", "*")
    get_session()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


@contextmanager
def serving(files: dict[str, bytes | Part], *lies: Answer) -> Iterator[FakeHub]:
    """A running server of these files, stopped at the end."""
    parts = {n: f if isinstance(f, Part) else Part(f, len(f)) for n, f in files.items()}
    hub = FakeHub(parts, list(lies))
    handler = type("Bound", (Handler,), {"hub": hub})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.handle_error = lambda request, address: None  # a client that hangs up is the point
    server.request_queue_size = 64
    server.block_on_close = False
    hub.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
