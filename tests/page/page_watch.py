"""A browser's page with what it complained of and whom it asked."""

from __future__ import annotations

import re
import time
from typing import Any


class Watch:
    """A page with what it complained of and whom it asked."""

    def __init__(self, page: Any, address: str) -> None:
        self.page, self.address = page, address
        self.complaints: list[str] = []
        self.asked: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))

    def _heard(self, message: Any) -> None:
        # A refusal that the page shows in words is also a line of the browser's console.
        refused = "status of 422" in message.text
        if message.type in {"error", "warning"} and not refused:
            self.complaints.append(message.text)

    def open(self, hash_: str = "", lang: str = "en") -> Any:
        """The page at a question, its first answer there."""
        self.page.goto(f"{self.address}/?lang={lang}{hash_}")
        self.page.wait_for_selector(".verdict, .refused")
        return self.page

    def settle(self) -> None:
        """Wait until the ledger's newest question is answered and the address says it."""
        self.page.wait_for_timeout(60)
        self.page.wait_for_selector("#answer[aria-busy=false]")
        self.page.wait_for_timeout(160)

    def at_peace(self) -> None:
        """Nothing was complained of, and no other host was asked."""
        assert not self.complaints, self.complaints
        here = (self.address + "/", "blob:" + self.address, "data:")
        assert not [url for url in self.asked if not url.startswith(here)]


def until(check: Any, seconds: float = 10.0) -> None:
    """Wait until ``check`` holds."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "not within its time"
        time.sleep(0.05)


def text(page: Any, selector: str) -> str:
    """What an element shows, without the isolates that keep directions apart."""
    return re.sub("[\u2066-\u2069]", "", str(page.inner_text(selector)))
