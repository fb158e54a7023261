"""How to add each thing: the rows of CONTRIBUTING.md, each with the check that must pass."""

from __future__ import annotations

from scripts.documents.text import page
from scripts.report import ROOT

BASE = ROOT / "CONTRIBUTING.md"
CHECKS = {
    "a model of a known family": "./scripts/models",
    "an architecture of known parts": ".venv/bin/python -m pytest tests/model",
    "an attention or state kind": ".venv/bin/python -m pytest tests/model tests/speed",
    "a storage format": ".venv/bin/python -m pytest tests/formats",
    "a card": ".venv/bin/python -m pytest tests/hardware",
    "a price": ".venv/bin/python -m pytest tests/hardware",
    "what a format costs in quality": ".venv/bin/python -m pytest tests/formats",
    "what is recommended": ".venv/bin/python -m pytest tests/search",
    "an engine": ".venv/bin/python -m pytest tests/engine",
    "an optimizer, a way to a loss": ".venv/bin/python -m pytest tests/training",
    "an engine's flag": ".venv/bin/python -m pytest tests/launch",
    "an engine's launch command": ".venv/bin/python -m pytest tests/launch",
    "a line of an engine's log": ".venv/bin/python -m pytest tests/measure",
    "a version of Transformers": ".venv/bin/python -m pytest tests/engine",
    "a language": ".venv/bin/python -m pytest tests/words",
    "a rule of thumb": ".venv/bin/python -m pytest tests/rules",
    "a measured run": "./scripts/accuracy",
}
"""What to run, where it is not the whole of ./scripts/test."""


def rows() -> list[tuple[str, str]]:
    """What to add, and what to write."""
    lines = BASE.read_text(encoding="utf-8").partition("## To add")[2].splitlines()
    cells = [line.strip("| ").split(" | ", 1) for line in lines if line.startswith("| ")]
    return [(each[0].strip(), each[1].strip()) for each in cells if each[0] != "to add"]


def adding() -> str:
    """The page."""
    parts = [
        f"## {thing[0].upper()}{thing[1:]}\n\nWrite {text.rstrip('.')}.\n\nThen "
        f"`{CHECKS.get(thing, './scripts/test')}`, and `python -m scripts.documents`, which puts "
        "it into the reference."
        for thing, text in rows()
    ]
    return page("To add …", "Paths are below `src/weighbridge` unless they name more.", *parts)
