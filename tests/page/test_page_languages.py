"""The page in four languages: words, direction, numbers, and nothing that spills over."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from page_watch import Watch, text, until

from weighbridge.show.labels import LOOKS

ROOT = Path(__file__).parent.parent.parent
WORDS = ROOT / "src" / "weighbridge" / "words"
LANGUAGES = ("en", "tr", "fa", "zh")
SOURCES = sorted((ROOT / "web" / "src").rglob("*.ts*"))
CATALOGUES = {
    lang: json.loads((WORDS / f"{lang}.json").read_text(encoding="utf-8")) for lang in LANGUAGES
}
# Words that are looked up by a name of the server's are in these groups.
GROUPS = (
    "term",
    "phase",
    "basis",
    "part",
    "bound",
    "method",
    "what",
    "theme",
    "file",
    "verdict",
    "sentence",
    "wish",
    "wait",
    "device",
)


def page_words(lang: str) -> dict[str, str]:
    return {k[5:]: v for k, v in CATALOGUES[lang].items() if k.startswith("page.")}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_word_of_the_page_has_the_same_places(lang: str) -> None:
    place = re.compile(r"\{(\w+)\}")
    for key, words in page_words(lang).items():
        assert words.strip(), key
        assert set(place.findall(words)) == set(place.findall(page_words("en")[key])), key


def test_the_page_uses_every_word_and_no_other() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    used = set(re.findall(r"\bt\(\s*'([\w.]+)'", source))
    used |= set(re.findall(r"[?:(] ?'([a-z]+\.[a-z_.]+)'", source)) & set(page_words("en"))
    known = set(page_words("en"))
    assert not used - known
    left = {key for key in known - used if key.partition(".")[0] not in GROUPS}
    assert not left


@pytest.mark.parametrize("lang", ["tr", "fa", "zh"])
def test_terms_are_called_as_on_the_command_line(lang: str) -> None:
    for name, look in LOOKS.items():
        assert page_words(lang)[f"term.{name}"] == CATALOGUES[lang][look.label]


def test_no_style_changes_the_case_of_letters() -> None:
    for path in (ROOT / "web" / "src" / "style").glob("*.css"):
        assert "text-transform" not in path.read_text(encoding="utf-8")


def _spills(page: Any) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth + 1"))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_page_speaks_and_fits_its_window(watch: Watch, lang: str) -> None:
    page = watch.open(lang=lang)
    assert page.evaluate("document.documentElement.lang") == lang
    assert page.evaluate("document.documentElement.dir") == ("rtl" if lang == "fa" else "ltr")
    words = page_words(lang)
    shown = text(page, "body")
    for key in ("model", "hardware", "work", "share", "terms.total", "speed.title"):
        assert words[key] in shown, key
    # A key that no catalogue has is shown as it is.
    assert not re.search(r"\b(?:page|term|phase|verdict|figure)\.[a-z]", shown)
    assert "{" not in text(page, ".answer").replace("{…}", "")
    assert not _spills(page)
    page.set_viewport_size({"width": 360, "height": 860})
    until(lambda: not _spills(page), 3)


def test_numbers_are_written_as_the_language_does(watch: Watch) -> None:
    assert "46,208" in text(watch.open(lang="en"), ".figures")
    assert "46.208" in text(watch.open(lang="tr"), ".figures")
    page = watch.open(lang="fa")
    assert "46,208" in text(page, ".figures")
    page.check("input[name=persian_digits]")
    assert "۴۶٬۲۰۸" in text(page, ".figures")
    page.fill("input[name=max_model_len_exact]", "۴۰۹۶")
    page.press("input[name=max_model_len_exact]", "Enter")
    watch.settle()
    assert "max_model_len=4096" in page.url


def test_formulas_keep_their_direction_in_persian(watch: Watch) -> None:
    page = watch.open(lang="fa")
    page.click("button[name=why_kv_cache]")
    for selector in (".formula", "input[name=model]", ".bar"):
        style = f"getComputedStyle(document.querySelector('{selector}'))"
        assert page.evaluate(f"{style}.direction") == "ltr"


def test_the_language_is_chosen_and_kept(watch: Watch) -> None:
    page = watch.open()
    page.goto(watch.address)
    page.wait_for_selector(".verdict")
    page.select_option("select[name=lang]", "zh")
    page.wait_for_selector("html[lang=zh]")
    page.reload()
    page.wait_for_selector(".verdict")
    assert page_words("zh")["hardware"] in text(page, ".panel")
