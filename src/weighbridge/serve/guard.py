"""Who may ask, how much may be sent, and the headers of every answer: around the application.

A page of another site must not use a server on this machine: not by asking it (``Origin``,
``Sec-Fetch-Site``), not under a name of its own that leads here (``Host``: DNS rebinding), not in a
frame. Bodies are counted while they arrive.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from weighbridge.serve.problems import MEDIA_TYPE, Problem
from weighbridge.serve.settings import Settings

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK = ("localhost", "127.0.0.1", "::1")
WILDCARDS = ("0.0.0.0", "::", "")
# A page of this server loads its own files and asks this server; it runs no script in its markup.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SECURITY = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
OPEN_PATHS = ("/healthz", "/readyz")
MOST_URL = 8192


class Guard:
    """Refuses what may not ask, bounds what is sent, and puts the headers on every answer."""

    def __init__(self, app: App, settings: Settings) -> None:
        self.app = app
        self.settings = settings
        self.names = frozenset(name.lower() for name in (*settings.hosts, *LOOPBACK))
        if settings.host not in WILDCARDS:
            self.names |= {settings.host.lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; what is no HTTP (the application's start and end) goes through."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = headers_of(scope)
        send = _with_headers(send, cached="/assets/" in scope["path"])
        try:
            self.check(scope, headers)
            limit = self.limit(scope["path"])
            _check_length(headers, limit)
        except Problem as problem:
            await refuse(send, problem)
            return
        await self.app(scope, self._counted(receive, limit), send)

    def check(self, scope: Scope, headers: Mapping[str, list[str]]) -> None:
        """Raise where this host or this page may not ask."""
        hosts = headers.get("host", [])
        if len(hosts) != 1 or not self.is_known(host_of(hosts[0])):
            raise Problem("misdirected", "the Host header names another server; ask by the name "
                          "that this one was started with (--allow-host adds one)")  # fmt: skip
        if len(scope["path"]) + len(scope.get("query_string", b"")) > MOST_URL:
            raise Problem("malformed", f"the address is longer than {MOST_URL:,} characters")
        if scope["path"] in OPEN_PATHS:
            return
        origins = headers.get("origin", [])
        if origins and (len(origins) > 1 or urlsplit(origins[0]).netloc != hosts[0]):
            raise Problem("forbidden", "the page that asks is not of this server (Origin)")
        site = headers.get("sec-fetch-site", ["none"])[0]
        visits = headers.get("sec-fetch-mode", [""])[0] == "navigate" and scope["method"] == "GET"
        page = not scope["path"].startswith(("/api/", "/metrics"))
        if site not in {"same-origin", "none"} and not (page and visits):
            raise Problem("forbidden", "the page that asks is not of this server (Sec-Fetch-Site)")

    def is_known(self, host: str) -> bool:
        """Whether this server answers to the name: an address cannot be rebound, a name can."""
        if host in self.names:
            return True
        return self.settings.host in WILDCARDS and _is_address(host)

    def limit(self, path: str) -> int:
        """The most bytes of a body."""
        large = path.endswith("/headers")
        return self.settings.headers_bytes if large else self.settings.body_bytes

    def _counted(self, receive: Receive, limit: int) -> Receive:
        """The body as it arrives, within the limit and in time."""
        seen, over = 0, False
        until = asyncio.get_running_loop().time() + self.settings.body_seconds

        async def counted() -> Message:
            nonlocal seen, over
            if over:  # the body is there; what comes now is that the client goes away
                return await receive()
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                raise Problem("slow", "the body did not arrive in time") from None
            seen += len(message.get("body", b""))
            over = not message.get("more_body", False)
            if seen > limit:
                raise Problem("too-large", f"the body has more than {limit:,} bytes")
            return message

        return counted


def headers_of(scope: Scope) -> dict[str, list[str]]:
    """The headers by name in lower case, each with all of its values."""
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def host_of(text: str) -> str:
    """The name in a Host header, without its port and brackets; empty where it is none."""
    try:
        return (urlsplit("//" + text).hostname or "") if not set(text) & set("/?#@\\ ") else ""
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _check_length(headers: Mapping[str, list[str]], limit: int) -> None:
    lengths = headers.get("content-length", [])
    if any(not text.isdecimal() or len(text) > 18 or int(text) > limit for text in lengths):
        raise Problem("too-large", f"the body has more than {limit:,} bytes")
    if headers.get("content-encoding", ["identity"]) != ["identity"]:
        raise Problem("media-type", "a compressed body is not read; send it as it is")


def _with_headers(send: Send, *, cached: bool) -> Send:
    extra = dict(SECURITY)
    if not cached:
        extra["cache-control"] = "no-store"

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            there = {name.lower() for name, _ in message.get("headers", [])}
            message["headers"] = [
                *message.get("headers", []),
                *((k.encode(), v.encode()) for k, v in extra.items() if k.encode() not in there),
            ]
        await send(message)

    return sending


async def refuse(send: Send, problem: Problem) -> None:
    """Send a problem for an answer."""
    body = problem.body()
    headers = {"content-type": MEDIA_TYPE, "content-length": str(len(body)), **problem.headers()}
    start = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": start})
    await send({"type": "http.response.body", "body": body})
