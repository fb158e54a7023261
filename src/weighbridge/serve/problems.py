"""What goes wrong, as problem details (RFC 9457): one row per kind."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

MEDIA_TYPE = "application/problem+json"


class Kind(NamedTuple):
    """A kind of problem: its status and its title."""

    status: int
    title: str


KINDS = {
    "malformed": Kind(400, "The request cannot be read"),
    "forbidden": Kind(403, "This page may not ask"),
    "not-found": Kind(404, "There is no such thing here"),
    "gone": Kind(404, "What was sent is no longer kept"),
    "method": Kind(405, "The method is not allowed here"),
    "slow": Kind(408, "The request did not arrive in time"),
    "too-large": Kind(413, "The request is too large"),
    "media-type": Kind(415, "The body is not JSON"),
    "misdirected": Kind(421, "This server does not answer to that name"),
    "input": Kind(422, "The input cannot be used as given"),
    "too-much": Kind(422, "The answer would take more than is allowed"),
    "error": Kind(500, "Something is wrong in Weighbridge"),
    "busy": Kind(503, "Too much is asked at once"),
    "too-long": Kind(504, "The answer took too long"),
}
STATUSES = tuple(dict.fromkeys(kind.status for kind in KINDS.values()))


class Problem(Exception):
    """A request that gets a problem for an answer."""

    def __init__(self, name: str, detail: str, kind: str | None = None) -> None:
        super().__init__(detail)
        self.name = name
        self.detail = detail
        self.kind = kind

    @property
    def status(self) -> int:
        """The HTTP status."""
        return KINDS[self.name].status

    def to_dict(self) -> dict[str, Any]:
        """The members of the problem."""
        found = {
            "type": f"urn:weighbridge:problem:{self.name}",
            "title": KINDS[self.name].title,
            "status": self.status,
            "detail": self.detail,
        }
        return found | ({"kind": self.kind} if self.kind else {})

    def body(self) -> bytes:
        """The problem as it is sent."""
        return json.dumps(self.to_dict(), ensure_ascii=False).encode("utf-8", "replace")

    def headers(self) -> dict[str, str]:
        """What is sent beside it."""
        return {"retry-after": "1"} if self.name == "busy" else {}
