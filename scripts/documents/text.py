"""Small pieces of Markdown."""

from __future__ import annotations

from collections.abc import Iterable

MADE = "<!-- made by `python -m scripts.documents`: change the code, not this page -->\n"


def page(title: str, *parts: str) -> str:
    """A page that is made, with its title."""
    return "\n\n".join([f"# {title}\n\n{MADE}".rstrip(), *(part.rstrip() for part in parts)]) + "\n"


def cell(text: object) -> str:
    """Text as a cell of a table holds it; what looks like a tag stays text."""
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")


def grid(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A table whose columns are all words."""
    header = list(header)
    lines = [header, [":--"] * len(header), *([cell(each) for each in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def code(text: str) -> str:
    """A word of the program, if there is one."""
    return f"`{text}`" if text else ""
