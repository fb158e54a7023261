"""A real browser before a real server: what it must have, and where it says why it has not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "src" / "weighbridge" / "serve" / "page" / "index.html"
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--force-color-profile=srgb"]


def _missing() -> str | None:
    if BROWSER is None:
        return "no chromium is on the path; scripts/system browser installs it"
    if not PAGE.is_file():
        return "the page is not built; scripts/page builds it"
    for package in ("playwright", "fastapi", "uvicorn"):
        try:
            __import__(package)
        except ImportError:
            return f"{package} is not installed; requirements/test.txt names it"
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = _missing()
    if missing is None:
        return
    if os.environ.get("WEIGHBRIDGE_PAGE_TESTS") == "must":
        raise pytest.UsageError(missing)
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=missing))


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """The address of a server that was started for these tests, on a port of its own choice."""
    server = subprocess.Popen(
        [sys.executable, "-m", "weighbridge", "serve", "--port", "0", "--quiet"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
    )
    try:
        assert server.stdout is not None
        said = server.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", said)
        assert found, said
        yield found[0]
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield browser
        browser.close()


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
        assert not self.complaints
        here = (self.address + "/", "blob:" + self.address, "data:")
        assert not [url for url in self.asked if not url.startswith(here)]


@pytest.fixture
def watch(chromium: Any, address: str) -> Iterator[Watch]:
    """A page at desktop size that must end at peace."""
    context = chromium.new_context(viewport={"width": 1360, "height": 900}, locale="en-US")
    watched = Watch(context.new_page(), address)
    yield watched
    watched.at_peace()
    context.close()


def until(check: Any, seconds: float = 10.0) -> None:
    """Wait until ``check`` holds."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "not within its time"
        time.sleep(0.05)
