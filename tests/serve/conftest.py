"""A server for the tests: inside this process where that will do, on loopback where it must."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

pytest.importorskip("fastapi", reason="pip install 'weighbridge[serve]'")

from starlette.testclient import TestClient

from weighbridge.serve.app import make_app
from weighbridge.serve.settings import Settings


@pytest.fixture(scope="session")
def client() -> Iterator[TestClient]:
    """The application as it is by itself, with one worker."""
    app = make_app(Settings(workers=1), log=False)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as made:
        yield made


class Live(NamedTuple):
    """A server that listens, and what it wrote on standard error so far."""

    port: int
    process: subprocess.Popen[str]
    log: list[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self, timeout: float = 30) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def ask(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        connection = self.connect()
        sent = None if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if sent is not None:
            named.setdefault("content-type", "application/json")
        try:
            connection.request(method, path, sent, named)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def metric(self, name: str) -> float:
        text = self.ask("GET", "/metrics")[2].decode()
        found = re.search(rf"^weighbridge_{name} (\S+)$", text, re.M)
        assert found is not None, name
        return float(found[1])


@pytest.fixture(scope="session")
def live() -> Iterator[Live]:
    """``weigh serve`` as a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "weighbridge", "serve", "--port", "0", "--workers", "2"],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    first = process.stderr.readline()
    port = re.search(r"http://127\.0\.0\.1:(\d+)/", first)
    assert port is not None, first
    log: list[str] = []
    reader = threading.Thread(target=lambda: log.extend(process.stderr or ()), daemon=True)
    reader.start()
    made = Live(int(port[1]), process, log)
    try:
        yield made
    finally:
        process.terminate()
        process.wait(15)
