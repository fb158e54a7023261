"""`python -m scripts.documents.links FOLDER`: every link of the built site leads somewhere.

A page must link to files of the site, and to anchors that the page there has; and a built page must
load nothing from elsewhere: no script, style, font or picture.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src"}


class Page(HTMLParser):
    """What a page links to, what it loads, and its anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect one tag."""
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[key] for key in ("id", "name") if key in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in LOADING and given.get(LOADING[tag]):
            self.loads.append(given[LOADING[tag]])
        if tag == "link" and given.get("rel") in {"stylesheet", "icon", "preload", "preconnect"}:
            self.loads.append(given.get("href", ""))


@cache
def read(path: Path) -> Page:
    """A page of the site."""
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def broken(site: Path) -> list[str]:
    """Every link that leads nowhere and everything that is loaded from outside."""
    found = []
    for path in sorted(site.rglob("*.html")):
        if path.name == "404.html":
            continue
        page, name = read(path), path.relative_to(site)
        found += [f"{name} loads {each}" for each in page.loads if _outside(each)]
        found += [f"{name} links to {each}" for each in page.links if not _leads(path, each)]
    for style in sorted(site.rglob("*.css")):
        if re.search(r"url\(\s*['\"]?(?:https?:)?//", style.read_text(encoding="utf-8")):
            found.append(f"{style.relative_to(site)} loads from outside")
    return found


def _outside(target: str) -> bool:
    return bool(urlsplit(target).netloc)


def _leads(path: Path, target: str) -> bool:
    parts = urlsplit(target)
    if parts.scheme or parts.netloc or target in {"", ".", "#"}:
        return True
    there = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
    if there.is_dir():
        there = there / "index.html"
    if not there.is_file():
        return False
    return (
        not parts.fragment
        or there.suffix != ".html"
        or (unquote(parts.fragment) in read(there).anchors)
    )


def main() -> int:
    """Check the folder that is named."""
    site = Path(sys.argv[1]).resolve()
    found = broken(site)
    print("\n".join(found) or f"{len(list(site.rglob('*.html')))} pages, every link leads")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
