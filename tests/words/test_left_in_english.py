"""Which lines of real answers stay in English, in each language: a short and explicit list."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from weighbridge.cli import main
from weighbridge.words import LANGUAGES, use
from weighbridge.words.book import book

OTHERS = [each for each in LANGUAGES if each != "en"]
COMMANDS = [
    ["rules", "llama-3.1-8b", "--on", "rtx-4090"],
    ["rules", "gemma-3-27b", "--on", "rtx-4090"],
    ["recommend", "llama-3.1-70b", "--on", "rtx-4090", "--context", "32k"],
    ["fleet", "llama-3.1-8b", "--on", "rtx-4090", "--users", "20", "--requests", "60"],
    ["fleet", "llama-3.1-70b", "--on", "rtx-4090", "--users", "20", "--requests", "60"],
    ["place", "llama-3.1-70b", "--on", "rtx-4090", "--host-memory", "64GB"],
    ["place", "llama-3.1-8b", "--on", "rtx-3060-12gb", "--host-memory", "32GB", "--engine",
     "llama.cpp"],
    ["sweep", "llama-3.1-8b", "--on", "rtx-4090", "--context", "4096,8192"],
    ["speed", "llama-3.1-8b", "--on", "rtx-4090", "--engine", "vllm", "--what-if"],
    ["train", "llama-3.1-8b", "--on", "rtx-4090", "--method", "lora"],
    ["store", "list"],
    ["doctor"],
]  # fmt: skip
# Words that only English has, however a language borrows the others.
ENGLISH = re.compile(
    r"(?<![\w./=?'-])(?:the|of|and|with|that|which|are|from|is|by|for|it|this|their|its|than)"
    r"(?![\w/=-])"
)
STAYS = {
    "a formula, as its authors wrote it": re.compile(r".* × .*"),
    "a claim of an article, quoted, and its answer": re.compile(r"\s*\u2068?[“\"].*"),
    "a command or an option": re.compile(r"\s*(?:\$|#|--|weigh ).*"),
    "what a lever assumes and its limit": re.compile(r".*(?:; sınır:|؛ حد:|；限制：).*"),
    "the bars of a placement": re.compile(r".* GiB of .*|\s+█ weights and cache .*"),
}


@pytest.fixture(autouse=True)
def _speak_english_after() -> Iterator[None]:
    """Each command with a book of its own, as in a process of its own."""
    book.cache_clear()
    yield
    use("en")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("language", OTHERS)
def test_no_other_line_stays_in_english(
    command: list[str],
    language: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
    main([*command, "--lang", language])
    read = capsys.readouterr()
    left = [line for line in (read.out + read.err).splitlines() if ENGLISH.search(line)]
    assert not [each for each in left if not any(row.fullmatch(each) for row in STAYS.values())]
