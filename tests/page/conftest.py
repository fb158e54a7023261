"""A real browser before a real server: what it must have, and where it says why it has not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from page_watch import Watch

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


@pytest.fixture(scope="session")
def context(chromium: Any) -> Iterator[Any]:
    """One profile for all tests, so that the page's files are fetched and compiled once."""
    made = chromium.new_context(viewport={"width": 1360, "height": 700}, locale="en-US")
    made.set_default_timeout(20_000)
    yield made
    made.close()


@pytest.fixture
def watch(context: Any, address: str) -> Iterator[Watch]:
    """A page at desktop size that must end at peace, and leaves nothing behind."""
    watched = Watch(context.new_page(), address)
    yield watched
    watched.page.evaluate("localStorage.clear()")
    for page in context.pages:
        page.close()
    watched.at_peace()
