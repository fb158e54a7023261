"""A server for the tests: inside this process where that will do, on loopback where it must."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

pytest.importorskip("fastapi", reason="pip install 'weighbridge[serve]'")

from serving import Live
from starlette.testclient import TestClient

from weighbridge.serve.app import make_app
from weighbridge.serve.settings import Settings


@pytest.fixture(scope="session")
def client() -> Iterator[TestClient]:
    """The application as it is by itself, with one worker."""
    app = make_app(Settings(workers=1), log=False)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as made:
        yield made


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
