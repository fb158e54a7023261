"""`python -m scripts.documents` writes the generated pages; `--check` compares; names choose."""

from __future__ import annotations

import argparse
import sys

from scripts.documents import examples
from scripts.documents.pages import PAGES
from scripts.report import ROOT, write

DOCS = ROOT / "docs"


def main() -> int:
    """Every page, or those named; then the outputs shown in pages written by hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*", help="pages, such as reference/terms.md")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    options = parser.parse_args()
    stale = []
    for name, make in PAGES.items():
        if options.pages and name not in options.pages:
            continue
        path = DOCS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not write(path, make(), check=options.check and path.exists()):
            stale.append(name)
    if not options.pages:
        stale += examples.refresh(check=options.check)
    if stale:
        print(
            f"stale: {', '.join(stale)}; run `python -m scripts.documents` and read what changed",
            file=sys.stderr,
        )
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
