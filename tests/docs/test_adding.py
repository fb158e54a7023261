"""The pages of how-to/add: one for every thing that may be added, and each can be followed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from scripts.documents import adding
from scripts.documents.follow import Step, copy, edited, follow, pages, steps_of

ROOT = Path(__file__).parents[2]
# What the design promises to be cheap to add, and where it stands in CONTRIBUTING.md.
PROMISED = {
    "an architecture of known parts": "architecture.md",
    "an attention or state kind": "mixer.md",
    "a storage format": "format.md",
    "a card": "card.md",
    "a model of a known family": "model.md",
    "an engine": "engine.md",
    "a language": "language.md",
}
_NAMED = re.compile(r"(?<![\w./])((?:src|tests|scripts|web|docs|examples)/[\w./-]*\w)(?!\w)")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy(tmp_path_factory.mktemp("house"))


@pytest.mark.parametrize("page", pages(), ids=lambda path: path.stem)
def test_a_page_can_be_followed_to_the_letter(page: Path, house: Path) -> None:
    """Files are put back after it: a copy for each page would take longer than the page."""
    text = page.read_text(encoding="utf-8")
    named = {house / each for each in (*touched(text), *_NAMED.findall(text))}
    before = {path: path.read_bytes() if path.is_file() else None for path in named}
    try:
        follow(text, house, quick=True)
    finally:
        for path, held in before.items():
            if held is not None:
                path.write_bytes(held)
            elif path.is_file():
                path.unlink()


def touched(text: str) -> list[str]:
    return [step.path for step in steps_of(text) if step.path]


def test_everything_that_the_design_promises_has_its_page() -> None:
    for thing, page in PROMISED.items():
        assert adding.WHERE[thing].partition("#")[0] == page


def test_every_row_of_contributing_has_a_section_that_exists() -> None:
    assert set(adding.WHERE) == {thing for thing, _ in adding.rows()}
    for thing, where in adding.WHERE.items():
        page, _, section = where.partition("#")
        text = (ROOT / "docs/how-to/add" / page).read_text(encoding="utf-8")
        titles = re.findall(r"^#+ (.*)$", text, re.M)
        assert not section or section in [slug(title) for title in titles], thing
    assert {where.partition("#")[0] for where in adding.WHERE.values()} == {p.name for p in pages()}


def slug(title: str) -> str:
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", pages(), ids=lambda path: path.stem)
def test_every_file_that_a_page_names_exists_or_is_made_by_it(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    made = {step.path for step in steps_of(text) if step.kind == "write"}
    made |= set(re.findall(r"^cp \S+ (\S+)$", text, re.M))
    missing = [each for each in _NAMED.findall(text) if not (ROOT / each).exists()]
    assert set(missing) <= made


def test_every_page_changes_something_or_says_how_it_is_checked() -> None:
    for page in pages():
        kinds = {step.kind for step in steps_of(page.read_text(encoding="utf-8"))}
        assert "run" in kinds, page
    assert len(pages()) > 10


def test_the_files_that_contributing_names_exist() -> None:
    base = ROOT / "src" / "weighbridge"
    for thing, said in adding.rows():
        for name in re.findall(r"`([\w./]+/[\w./*]*)`", said):
            assert any((root / name).exists() or [*root.glob(name)] for root in (base, ROOT)) or (
                "ENGINE" in name
            ), f"{thing}: {name}"


def test_an_edit_finds_its_place_by_its_context_or_is_refused() -> None:
    edit = "@@\n a\n-b\n+c\n@@\n d\n+e\n"
    assert edited("a\nb\nd\n", edit, "x") == "a\nc\nd\ne\n"
    with pytest.raises(ValueError, match="has these lines 0 times"):
        edited("a\nd\n", edit, "x")
    with pytest.raises(ValueError, match="has these lines 2 times"):
        edited("a\nb\na\nb\n", edit, "x")


def test_what_is_not_printed_and_what_fails_is_found(tmp_path: Path) -> None:
    said = "```shell\necho one\n```\n\n```text\ntwo\n```\n"
    assert steps_of(said) == [Step("run", "", "echo one\n"), Step("said", "", "two\n")]
    with pytest.raises(ValueError, match="was not printed"):
        follow(said, tmp_path)
    with pytest.raises(ValueError, match="ends with 1"):
        follow("```shell\nfalse\n```\n", tmp_path)
