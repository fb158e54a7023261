"""How to add each thing: the rows of CONTRIBUTING.md, each with the page that leads through it."""

from __future__ import annotations

from scripts.documents.text import page
from scripts.report import ROOT

BASE = ROOT / "CONTRIBUTING.md"
WHERE = {
    "a model of a known family": "model.md",
    "an architecture of known parts": "architecture.md",
    "an attention or state kind": "mixer.md",
    "a storage format": "format.md",
    "a card": "card.md#a-card",
    "a price": "card.md#a-price",
    "what a format costs in quality": "format.md#what-it-costs-in-quality",
    "what is recommended": "choice.md#what-is-recommended",
    "a kind of study, an engine whose formulas take arrays": "choice.md#a-kind-of-study",
    "an engine": "engine.md",
    "an optimizer, a way to a loss": "optimizer.md",
    "an engine's flag": "launch.md#an-engines-flag",
    "an engine's launch command": "launch.md#a-launch-command",
    "a target of `--emit`": "launch.md#an-emit-target",
    "a line of an engine's log": "log-line.md",
    "a version of Transformers": "choice.md#a-version-of-transformers",
    "a language": "language.md",
    "something that `weigh check` can expect": "rule.md#something-that-weigh-check-can-expect",
    "a rule of thumb": "rule.md#a-rule-of-thumb",
    "a measured run": "measured-run.md",
}
"""The section of docs/how-to/add for each row."""


def rows() -> list[tuple[str, str]]:
    """What to add, and what to write."""
    lines = BASE.read_text(encoding="utf-8").partition("## To add")[2].splitlines()
    cells = [line.strip("| ").split(" | ", 1) for line in lines if line.startswith("| ")]
    return [(each[0].strip(), each[1].strip()) for each in cells if each[0] != "to add"]


def adding() -> str:
    """The page."""
    lines = [
        f"- [{thing[0].upper()}{thing[1:]}](add/{WHERE[thing]}): {text.rstrip('.')}."
        for thing, text in rows()
    ]
    return page(
        "To add …",
        "Each page adds an example, step by step; a test follows it to the letter in a copy of the "
        "repository, and `python -m scripts.documents.follow PAGE` with the tests that it names. "
        "Paths in this list are below `src/weighbridge` unless they name more.",
        "\n".join(lines),
        "Then `./scripts/test`, and `python -m scripts.documents`, which puts what is new into the "
        "reference.",
    )
