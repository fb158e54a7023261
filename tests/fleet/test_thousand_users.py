"""What docs/thousand-users.md shows is what its commands print today."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "thousand-users.md"
BLOCK = re.compile(r"```console\n\$ (?P<line>weigh [^\n]+)\n(?P<out>.*?)```", re.DOTALL)


def lines() -> list[str]:
    return [found["line"] for found in BLOCK.finditer(PAGE.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("line", lines(), ids=range(len(lines())))
def test_the_page_shows_what_the_command_prints(
    line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run with UPDATE_GOLDEN=1 to write it."""
    from weighbridge.cli import main

    monkeypatch.setenv("COLUMNS", "100")
    assert main(line.split()[1:]) == 0
    printed = capsys.readouterr().out.rstrip() + "\n"
    text = PAGE.read_text(encoding="utf-8")

    def block(found: re.Match[str]) -> str:
        if found["line"] != line:
            return found[0]
        return f"```console\n$ {line}\n{printed}```"

    wanted = BLOCK.sub(block, text)
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(wanted, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == wanted
