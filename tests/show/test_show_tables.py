"""Tables by display width."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.show.tables import RULE, markdown_table, table
from weighbridge.show.width import display_width

ROWS = [("rtx-4090", "23.52", "模型"), ("h100-sxm", "79.18", "e\u0301"), ("x", "7", "")]


def test_columns_line_up_by_cells() -> None:
    text = table(("card", "GiB", "note"), ROWS, "lrl")
    assert text.split("\n") == [
        "card        GiB  note",
        "rtx-4090  23.52  模型",
        "h100-sxm  79.18  e\u0301",
        "x             7",
    ]


def test_rule_is_as_wide_as_the_columns() -> None:
    assert table(("a", "b"), [("1", "2"), RULE, ("3", "4")]).split("\n")[2] == "────"


def test_texts_are_cut_before_numbers() -> None:
    text = table(("a long header", "a long number"), [("words and words", "12,345.67")], "lr", 20)
    assert text == "a long h…  a long n…\nwords an…  12,345.67"


def test_too_many_numbers_become_records() -> None:
    text = table(("a", "b", "c"), [("1,000", "2,000", "3,000")], "rrr", 12)
    assert text == "a: 1,000\nb: 2,000\nc: 3,000"


@given(
    st.lists(st.lists(st.text(max_size=20), min_size=3, max_size=3), max_size=6),
    st.integers(12, 80),
    st.sampled_from(["lll", "lrl", "rrr", ""]),
)
def test_width_is_kept(rows: list[list[str]], width: int, align: str) -> None:
    cells = [[" ".join(cell.split()) for cell in row] for row in rows]
    text = table(("one", "two", "three"), cells, align, width)
    assert all(display_width(line) <= width for line in text.split("\n"))


@pytest.mark.parametrize(
    ("cell", "shown"),
    [("a|b", r"a\|b"), ("<b>", "&lt;b&gt;"), ("`x` *y*", r"\`x\` \*y\*"), ("[a](b)", r"\[a\](b)")],
)
def test_markdown_is_escaped(cell: str, shown: str) -> None:
    text = markdown_table(("a", "n"), [(cell, "1"), RULE], "lr")
    assert text == f"| a | n |\n| --- | ---: |\n| {shown} | 1 |"
