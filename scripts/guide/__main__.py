"""`python -m scripts.guide` writes docs/guide and its pictures; `--check` compares with them."""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

from scripts.guide.figures import answer, figure, table
from scripts.report import ROOT, write

LANGUAGES = ("en", "tr", "fa", "zh")
PAGES, DOCS = Path(__file__).parent / "pages", ROOT / "docs"
PICTURES = {f"{run}.{each}": (run, each) for run in ("plan", "speed") for each in LANGUAGES}
# Persian as its page has it, with its own digits.
TAGS = {"fa": "fa-u-nu-arabext"}
PLACE = re.compile(r"\{\{(\$ ?)?(\w+)\}\}")
# A cell of a row that is laid out by spaces, and a flag within it.
_CELL, _FLAG = re.compile(r"\S+(?: \S+)*"), re.compile(r"--[a-z-]+")
_ISOLATE, _POP = "\u2068", "\u2069"
_NUMBER = re.compile(r"-?\d+\.\d+")
# Coordinates may differ in their last places between processors.
_CLOSE = 0.05


def page(language: str) -> str:
    """A page with every place filled."""
    text = (PAGES / f"{language}.md").read_text(encoding="utf-8")

    def fill(place: re.Match[str]) -> str:
        return output(place[2], language) if place[1] else figure(place[2], language)

    return PLACE.sub(fill, text)


def output(run: str, language: str) -> str:
    """A command and what it prints; Persian as a table, since no terminal lays it out."""
    command = f"weigh {table()['runs'][run]}"
    if language == "fa" and not command.startswith(("weigh fit", "weigh speed")):
        said = answer(run, "--lang", TAGS["fa"], "--format", "markdown")
        # As code a flag keeps its dashes before it.
        said = re.sub(r"(?<=\s)--[a-z-]+", r"`\g<0>`", said)
        return f"```console\n$ {command} --lang fa --format markdown\n```\n\n{said}"
    if language == "fa":
        lines = answer(run, "--lang", TAGS["fa"]).splitlines()
        said = "\n".join(_CELL.sub(_isolated, line.rstrip()) for line in lines)
        told = f"```console\n$ {command} --lang fa\n```"
        return f'{told}\n\n<div class="spoken" markdown>\n\n```text\n{said}\n```\n\n</div>'
    spoken = "" if language == "en" else f" --lang {language}"
    lines = answer(run, "--lang", language).splitlines()
    said = "\n".join(line.rstrip() for line in lines)
    return f"```console\n$ {command}{spoken}\n{said}\n```"


def _isolated(cell: re.Match[str]) -> str:
    """A cell that keeps its place in a row from the right, and its flags their dashes."""
    flags = _FLAG.sub(lambda flag: f"{_ISOLATE}{flag[0]}{_POP}", cell[0])
    # Words of Persian, whatever their cell begins with, go from the right.
    whole = "\u2067" if re.search("[\u0600-\u06ef]", flags) else _ISOLATE
    return f"{whole}{flags}{_POP}"


def draw(name: str, folder: Path) -> Path:
    """A picture as ``--plot`` draws it."""
    run, language = PICTURES[name]
    path = folder / f"{name}.svg"
    answer(run, "--lang", TAGS.get(language, language), "--plot", str(path))
    return path


def alike(one: str, other: str) -> bool:
    """Whether two pictures are the same but for the last places of their coordinates."""
    if _NUMBER.sub("", one) != _NUMBER.sub("", other):
        return False
    pairs = zip(_NUMBER.findall(one), _NUMBER.findall(other), strict=False)
    return all(abs(float(a) - float(b)) <= _CLOSE for a, b in pairs)


def stale(names: tuple[str, ...] = tuple(PICTURES)) -> list[str]:
    """The pictures that are not what is drawn today."""
    kept = DOCS / "images" / "guide"
    with tempfile.TemporaryDirectory() as folder:
        return [
            name for name in names
            if not alike(draw(name, Path(folder)).read_text(encoding="utf-8"),
                         (kept / f"{name}.svg").read_text(encoding="utf-8"))
        ]  # fmt: skip


def run() -> int:
    """Write or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare; change nothing")
    check = parser.parse_args().check
    wrong = []
    for language in LANGUAGES:
        path = DOCS / "guide" / f"{language}.md"
        if not write(path, page(language), check=check):
            wrong.append(str(path.relative_to(ROOT)))
    if check:
        wrong += [f"docs/images/guide/{name}.svg" for name in stale()]
    else:
        for name in PICTURES:
            draw(name, DOCS / "images" / "guide")
    for each in wrong:
        print(f"{each} is not what the program says; run python -m scripts.guide", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(run())
