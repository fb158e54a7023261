"""Commands in pages: each is run in this process, and shown output is what it printed.

A block ``console`` holds commands after ``$ ``. Where a comment ``<!-- output: N -->`` follows, the
``text`` block behind it is the first N lines that the last command of the block prints.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
from functools import cache
from pathlib import Path

from scripts.report import ROOT, write
from weighbridge.cli import main

DOCS = ROOT / "docs"
_BLOCK = re.compile(r"```console\n(.*?)```(?:\n\n<!-- output: (\d+) -->\n```text\n(.*?)```)?", re.S)
# These read files of the reader's, need an extra or a device, or do not end.
NOT_HERE = ("./", "org/", ".log", ".json ", " > ", "weigh trace", "weigh doctor", "weigh serve",
            "weigh mcp", "weigh watch", "weigh store", "weigh run", "weigh measure",
            "weigh accuracy", "weigh calibrate", ".toml")  # fmt: skip


def pages() -> list[Path]:
    """Every page of the site."""
    return sorted(DOCS.rglob("*.md"))


def commands_of(text: str) -> list[str]:
    """The commands of a page that start with ``weigh``, without their remarks."""
    found = []
    for block in _BLOCK.finditer(text):
        lines = block[1].replace("\\\n", " ").splitlines()
        found += [line[2:].partition("   #")[0].strip() for line in lines if line[:8] == "$ weigh "]
    return found


def runs_here(command: str) -> bool:
    """Whether it needs nothing but the package."""
    return not any(each in command + " " for each in NOT_HERE)


class Heard(io.StringIO):
    """Standard output that can show every character."""

    encoding = "utf-8"


@cache
def output(command: str) -> tuple[int, str]:
    """Exit code and standard output, 100 columns wide, plain."""
    heard, before = Heard(), dict(os.environ)
    os.environ.update(COLUMNS="100", NO_COLOR="1", LC_ALL="C.UTF-8")
    try:
        with contextlib.redirect_stdout(heard), contextlib.redirect_stderr(io.StringIO()):
            code = main(shlex.split(command)[1:])
    finally:
        os.environ.clear()
        os.environ.update(before)
    return code, heard.getvalue()


def filled(text: str) -> str:
    """The page with every shown output as it is printed today."""

    def fill(block: re.Match[str]) -> str:
        if block[2] is None:
            return block[0]
        command = commands_of(block[0])[-1]
        lines = [line.rstrip() for line in output(command)[1].splitlines()[: int(block[2])]]
        shown = "\n".join(lines)
        return f"```console\n{block[1]}```\n\n<!-- output: {block[2]} -->\n```text\n{shown}\n```"

    return _BLOCK.sub(fill, text)


def refresh(*, check: bool) -> list[str]:
    """Write the outputs, or name the pages whose outputs are not what is printed."""
    stale = []
    for path in pages():
        text = path.read_text(encoding="utf-8")
        wanted = filled(text)
        if wanted != text and not write(path, wanted, check=check):
            stale.append(str(path.relative_to(DOCS)))
    return stale
