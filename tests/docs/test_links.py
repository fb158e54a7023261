"""The checker of the built site: what is broken is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripts.documents.links import broken


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('<a href="b.html">', ""),
        ('<a href="b.html#there">', ""),
        ('<a href="https://example.org/x">', ""),
        ('<a href="c.html">', "a.html links to c.html"),
        ('<a href="b.html#nowhere">', "a.html links to b.html#nowhere"),
        ('<script src="https://cdn.example.org/x.js"></script>', "a.html loads https://cdn"),
        ('<link rel="stylesheet" href="//fonts.example.org/x.css">', "a.html loads //fonts"),
    ],
)
def test_what_is_broken_is_named(tmp_path: Path, body: str, said: str) -> None:
    (tmp_path / "a.html").write_text(body, encoding="utf-8")
    (tmp_path / "b.html").write_text('<h2 id="there">', encoding="utf-8")
    found = broken(tmp_path)
    assert found[0].startswith(said) if said else not found


def test_styles_may_not_load_from_outside(tmp_path: Path) -> None:
    (tmp_path / "s.css").write_text("@font-face{src:url('https://x.org/f.woff')}")
    assert broken(tmp_path) == ["s.css loads from outside"]
