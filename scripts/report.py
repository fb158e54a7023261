"""What the generated documents share: tables, and files that are written or compared."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"


def table(header: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """A Markdown table, its figures to the right."""
    header = list(header)
    rule = [":--", *("--:" for _ in header[1:])]
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, rule, *map(list, lines)])


def write(path: Path, text: str, *, check: bool) -> bool:
    """Write the text, or say whether it is what the file holds already."""
    if check:
        return path.read_text(encoding="utf-8") == text
    path.write_text(text, encoding="utf-8")
    return True


def write_part(name: str, text: str, *, check: bool) -> bool:
    """The same for the part of the README between the two marks of this name."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    if not README.exists():
        return True
    before, found, rest = README.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"README.md has no part between {begin} and {end}")
    return write(README, f"{before}{begin}\n{text}\n{end}{after}", check=check)
