"""A server that runs as a process of its own, and how it is asked."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
from typing import Any, NamedTuple


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
