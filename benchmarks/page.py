"""The page in a real browser: its first answer after loading, and a slider's move.

Run by ``scripts/page_speed``; needs the page, chromium and playwright. Times are of the browser's
own clock: from the start of the navigation to the first ledger drawn, and from the slider's
event to the frame that shows the new total.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
from typing import Any

FIRST = """() => new Promise(done => {
  const look = () => document.querySelector('.ledger .bar svg')
    ? requestAnimationFrame(() => done(performance.now())) : requestAnimationFrame(look)
  look()
})"""
MOVE = """(at) => new Promise(done => {
  const slider = document.querySelector('input[type=range][name=max_model_len]')
  const total = () => document.querySelector('.terms tfoot .num').textContent
  const before = total()
  const began = performance.now()
  slider.value = String(at)
  slider.dispatchEvent(new Event('input', {bubbles: true}))
  const look = () => total() !== before
    ? done(performance.now() - began) : requestAnimationFrame(look)
  look()
  setTimeout(() => done(NaN), 5000)
})"""
QUESTION = "#model=llama-3.1-8b&on=rtx-4090&engine={engine}&max_model_len=8192&concurrency=1"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    from playwright.sync_api import sync_playwright

    server = subprocess.Popen(
        [sys.executable, "-m", "weighbridge", "serve", "--port", "0", "--quiet"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        found = re.search(r"http://[\d.]+:\d+", server.stdout.readline())
        assert found is not None
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
            _first(browser, found[0], runs)
            for engine in ("transformers", "llama.cpp"):
                _moves(browser, found[0], engine, runs)
            browser.close()
    finally:
        server.terminate()
        server.wait(20)


def _first(browser: Any, address: str, runs: int) -> None:
    """Each with an empty cache, after one that starts the server's workers."""
    times = []
    for run in range(runs + 1):
        context = browser.new_context()
        page = context.new_page()
        page.goto(address, wait_until="commit")
        taken = page.evaluate(FIRST)
        context.close()
        if run:
            times.append(taken)
    _say("first answer after loading", times)


def _moves(browser: Any, address: str, engine: str, runs: int) -> None:
    page = browser.new_page()
    page.goto(f"{address}/{QUESTION.format(engine=engine)}")
    page.wait_for_selector(".terms tfoot")
    page.wait_for_timeout(3000)
    times = []
    for run in range(runs + 1):
        taken = page.evaluate(MOVE, 8 + run % 2)
        page.wait_for_timeout(600)
        if run:
            times.append(taken)
    page.close()
    _say(f"a slider's move, {engine}", times)


def _say(what: str, times: list[float]) -> None:
    low, middle, high = min(times), statistics.median(times), max(times)
    print(f"{what}: median {middle:.0f} ms, {low:.0f} to {high:.0f} ms of {len(times)}")


if __name__ == "__main__":
    main()
