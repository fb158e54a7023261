"""Headers that were sent, kept for a while by the digest of what was sent."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict

from weighbridge.serve.worker import HANDLE

MOST = 256


class Store:
    """Bodies by handle: the oldest go first where they are too many, too large or too old."""

    def __init__(self, most_bytes: int, seconds: float) -> None:
        self.most_bytes = most_bytes
        self.seconds = seconds
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self.bytes = 0

    @staticmethod
    def handle(body: bytes) -> str:
        """The handle of a body: the same one every time."""
        return HANDLE + hashlib.sha256(body).hexdigest()[:32]

    def keep(self, handle: str, body: bytes) -> None:
        """Keep a body, as the newest."""
        self._drop(handle)
        self._kept[handle] = (time.monotonic(), body)
        self.bytes += len(body)
        while self._kept and (self.bytes > self.most_bytes or len(self._kept) > MOST):
            self._drop(next(iter(self._kept)))

    def find(self, handle: str) -> bytes | None:
        """The body of a handle, which then counts as used; None where it is not kept any more."""
        self._expire()
        found = self._kept.get(handle)
        if found is None:
            return None
        self._kept[handle] = (time.monotonic(), found[1])
        self._kept.move_to_end(handle)
        return found[1]

    def _expire(self) -> None:
        oldest = time.monotonic() - self.seconds
        while self._kept and next(iter(self._kept.values()))[0] < oldest:
            self._drop(next(iter(self._kept)))

    def _drop(self, handle: str) -> None:
        found = self._kept.pop(handle, None)
        if found is not None:
            self.bytes -= len(found[1])
