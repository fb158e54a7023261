"""Follow a page of docs/how-to/add to the letter, in a copy of the repository.

Three kinds of blocks are instructions: a fence with ``title="PATH"`` is a new file; a ``diff``
edits the file that its ``+++`` names, at the place that its context finds; a ``shell`` block is
run, and must end well. The lines of a ``text`` block behind it must stand in what it printed.

`python -m scripts.documents.follow [PAGE …]` runs all of it, minutes of tests included; the tests
leave those out (``quick``), since an addition shows in what `weigh` answers.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from scripts.report import ROOT

FOLDER = ROOT / "docs" / "how-to" / "add"
# What an addition touches, and what its checks read.
COPIED = ("src", "tests", "scripts", "docs", "examples", "measurements", "README.md",
          "CONTRIBUTING.md", "CHANGELOG.md", "pyproject.toml", "mkdocs.yml")  # fmt: skip
_FENCE = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.M | re.S)
_HEAD = re.compile(r"--- .*\n\+\+\+ (\S+)\n(.*)", re.S)
_CHECKS = re.compile(r"^\.venv/bin/python -m .*\n", re.M)
LIMIT = 300


class Step(NamedTuple):
    """One instruction: ``write`` a file, ``edit`` one, ``run`` a command, or what was ``said``."""

    kind: str
    path: str
    text: str


def pages() -> list[Path]:
    """Every page that is followed."""
    return sorted(FOLDER.glob("*.md"))


def steps_of(page: str) -> list[Step]:
    """The instructions of a page, in order."""
    found = []
    for language, title, text in _FENCE.findall(page):
        head = _HEAD.match(text) if language == "diff" else None
        if title:
            found.append(Step("write", title, text))
        elif head:
            found.append(Step("edit", head[1], head[2]))
        elif language == "shell":
            found.append(Step("run", "", text))
        elif language == "text" and found and found[-1].kind == "run":
            found.append(Step("said", "", text))
    return found


def copy(folder: Path) -> Path:
    """The repository as it is followed in, with a ``.venv`` that runs this Python."""
    skipped = shutil.ignore_patterns("__pycache__", "page", "*.pyc", ".*_cache")
    for name in COPIED:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=skipped)
        elif source.exists():
            shutil.copy2(source, target)
    tools = folder / ".venv" / "bin"
    tools.mkdir(parents=True)
    for name, words in (("python", ""), ("weigh", " -m weighbridge")):
        tool = tools / name
        tool.write_text(f'#!/bin/sh\nexec "{sys.executable}"{words} "$@"\n', encoding="utf-8")
        tool.chmod(0o755)
    return folder


def edited(text: str, edit: str, path: str) -> str:
    """``text`` after the hunks of a diff; each must stand in it once."""
    for hunk in re.split(r"^@@.*\n", edit, flags=re.M):
        lines = [line or " " for line in hunk.splitlines()]
        before = "".join(f"{line[1:]}\n" for line in lines if line[0] != "+")
        after = "".join(f"{line[1:]}\n" for line in lines if line[0] != "-")
        if not hunk:
            continue
        if text.count(before) != 1:
            raise ValueError(f"{path} has these lines {text.count(before)} times:\n{before}")
        text = text.replace(before, after)
    return text


def follow(page: str, root: Path, *, quick: bool = False) -> None:
    """Every step of a page in ``root``; ValueError where one does not do what the page says."""
    printed = ""
    for kind, path, text in steps_of(page):
        where = root / path
        if kind == "write":
            where.parent.mkdir(parents=True, exist_ok=True)
            where.write_text(text, encoding="utf-8")
        elif kind == "edit":
            changed = edited(where.read_text(encoding="utf-8"), text, path)
            where.write_text(changed, encoding="utf-8")
        elif kind == "run":
            printed = ran(_CHECKS.sub("", text) if quick else text, root)
        else:
            _said(text, printed)


def ran(commands: str, root: Path) -> str:
    """What a block of commands prints; each must end with 0."""
    path = os.pathsep.join(filter(None, (str(root / "src"), os.environ.get("PYTHONPATH", ""))))
    settings = {**os.environ, "PYTHONPATH": path, "COLUMNS": "100", "NO_COLOR": "1",
                "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip
    done = subprocess.run(["sh", "-e"], input=commands, cwd=root, env=settings, text=True,
                          capture_output=True, timeout=LIMIT, check=False)  # fmt: skip
    if done.returncode:
        raise ValueError(f"{commands}ends with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def _said(wanted: str, printed: str) -> None:
    rest = iter(printed.splitlines())
    for line in wanted.splitlines():
        if not any(line in each for each in rest):
            raise ValueError(f"{line!r} was not printed:\n{printed}")


def main() -> int:
    """Follow the pages that are named, or all of them."""
    import tempfile

    for page in pages():
        if sys.argv[1:] and page.stem not in sys.argv[1:]:
            continue
        with tempfile.TemporaryDirectory() as folder:
            follow(page.read_text(encoding="utf-8"), copy(Path(folder)))
        print(f"{page.name}: as it says")
    return 0


if __name__ == "__main__":
    sys.exit(main())
