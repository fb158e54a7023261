"""The README's first answer is what the program prints today."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

import weighbridge as wb
from weighbridge.show.text import plan_to_text

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- answer: begin -->", "<!-- answer: end -->"


def answer() -> str:
    plan = wb.plan("llama-3.1-8b", on="rtx-4090")
    return f"{BEGIN}\n```text\n{plan_to_text(plan, width=100)}\n```\n{END}"


def test_the_first_answer_is_what_the_command_prints() -> None:
    """Run with UPDATE_GOLDEN=1 to write it."""
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    wanted = f"{before}{answer()}{after}"
    if os.environ.get("UPDATE_GOLDEN"):
        README.write_text(wanted, encoding="utf-8")
    assert README.read_text(encoding="utf-8") == wanted


def test_every_command_of_the_readme_exists() -> None:
    from weighbridge.cli import COMMANDS

    text = README.read_text(encoding="utf-8")
    for name in COMMANDS:
        assert name == "plan" or f"weigh {name}" in text or name == "card", name


def _examples() -> list[str]:
    """Commands of the README that need neither files of the reader's nor an extra."""
    lines = README.read_text(encoding="utf-8").splitlines()
    told = [line[2:].partition("  #")[0].strip() for line in lines if line.startswith("$ weigh ")]
    # Files of the reader's own, a trace, and what goes on until it is ended.
    apart = [f"weigh {name}" for name in ("trace", "watch", "doctor", "serve", "mcp")]
    needs = ("./", "org/", ".log", ".json", "study.toml", " > ", *apart)
    return [line for line in told if not any(each in line for each in needs)]


@pytest.mark.parametrize("line", _examples())
def test_the_examples_of_the_readme_answer(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    from weighbridge.cli import main

    assert main(shlex.split(line, comments=True)[1:]) in {0, 1}
    assert capsys.readouterr().out
