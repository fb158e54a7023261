"""The guide is what the program says today, and says the same in every language."""

from __future__ import annotations

import re

import pytest
from scripts.guide.__main__ import DOCS, LANGUAGES, PAGES, PICTURES, PLACE, page, stale
from scripts.guide.figures import table

BARE = re.compile(r"(?<![\w}])\d[\d.,]* ?(?:GiB|MiB|KiB|ms)\b")
# What is stated, not computed: a unit's own size, and a card as it is sold.
STATED = {"1 GiB", "24 GiB", "۲۴ GiB"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_is_what_is_written_today(language):
    assert (DOCS / "guide" / f"{language}.md").read_text(encoding="utf-8") == page(language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_figure_of_a_page_is_run(language):
    text = (PAGES / f"{language}.md").read_text(encoding="utf-8")
    assert set(BARE.findall(text)) <= STATED


def test_all_languages_say_the_same_figures():
    used = [
        sorted({each[0] for each in PLACE.finditer((PAGES / f"{name}.md").read_text("utf-8"))})
        for name in LANGUAGES
    ]
    assert all(each == used[0] for each in used)
    named = {PLACE.fullmatch(each)[2] for each in used[0]}
    needed = {name for row in table()["figures"].values() if row[0] == "ratio" for name in row[1:]}
    assert set(table()["figures"]) <= named | needed


def test_the_pictures_are_what_is_drawn_today():
    assert stale(tuple(PICTURES)) == []
