"""A line of JSON a request on standard error, and metrics for Prometheus.

Neither holds what was asked: no body, no query, no path beyond the route that matched.
"""

from __future__ import annotations

import json
import secrets
import sys
import time
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from weighbridge.serve.guard import App, Message, Receive, Scope, Send
from weighbridge.serve.pool import Pool

SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counts, durations and the state of the workers, in a registry of its own."""

    def __init__(self, pool: Pool) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "weighbridge_requests", "Requests by route, method and status",
            ("route", "method", "status"), registry=self.registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "weighbridge_request_seconds", "Seconds a request took", ("route",),
            buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        for name, text, value in (
            ("workers_busy", "Workers at work", lambda: pool.busy),
            ("requests_waiting", "Requests that wait for a worker", lambda: pool.waiting),
            ("workers_ended", "Workers that were ended or died", lambda: pool.ended),
        ):
            Gauge(f"weighbridge_{name}", text, registry=self.registry).set_function(value)

    def text(self) -> bytes:
        """What is scraped."""
        return bytes(generate_latest(self.registry))


class Watch:
    """Around everything: the log, the metrics, and a number for each request."""

    def __init__(self, app: App, metrics: Metrics, *, log: bool = True) -> None:
        self.app = app
        self.metrics = metrics
        self.log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, number = time.perf_counter(), secrets.token_hex(8)
        status = sent = 0

        async def counted(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", []), (b"x-request-id", number.encode())
                ]  # fmt: skip
            sent += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, counted)
        finally:
            self._note(scope, number, status, sent, time.perf_counter() - began)

    def _note(self, scope: Scope, number: str, status: int, sent: int, took: float) -> None:
        route = getattr(scope.get("route"), "path", None) or "-"
        method = scope["method"] if scope["method"] in METHODS else "other"
        self.metrics.requests.labels(route, method, str(status)).inc()
        self.metrics.seconds.labels(route).observe(took)
        if self.log:
            note("request", id=number, route=route, method=method, status=status,
                 milliseconds=round(took * 1000, 2), bytes=sent)  # fmt: skip


METHODS = frozenset({"GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH"})


def note(event: str, **about: Any) -> None:
    """One line of JSON on standard error."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    print(json.dumps({"time": now, "event": event, **about}), file=sys.stderr, flush=True)
