"""The README's pictures of the page: docs/images/*.png, taken in a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

IMAGES = Path(__file__).parent.parent / "docs" / "images"
QUESTION = (
    "#model=qwen3-30b-a3b&on=2xrtx-4090&engine=vllm&weights=fp8&max_model_len=16384"
    "&output_tokens=512&concurrency=4"
)
# name, language, colours, width, height
PICTURES = (
    ("page", "en", "light", 1280, 800),
    ("page-dark-fa", "fa", "dark", 1280, 800),
)
LARGEST = 300_000


def main() -> None:
    """Start a server, take each picture, and refuse one that is too large for a README."""
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
            IMAGES.mkdir(parents=True, exist_ok=True)
            for name, lang, colours, width, height in PICTURES:
                page = browser.new_page(viewport={"width": width, "height": height})
                page.emulate_media(color_scheme="dark" if colours == "dark" else "light")
                page.goto(f"{found[0]}/?lang={lang}{QUESTION}")
                page.wait_for_selector(".verdict")
                page.wait_for_load_state("networkidle")
                page.wait_for_timeout(1500)
                path = IMAGES / f"{name}.png"
                page.screenshot(path=path)
                page.close()
                size = path.stat().st_size
                print(f"{path.name}: {size:,} bytes")
                assert size < LARGEST, path
            browser.close()
    finally:
        server.terminate()
        server.wait(20)


if __name__ == "__main__":
    main()
