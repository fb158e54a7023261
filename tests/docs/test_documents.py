"""The documents: made pages are fresh, examples answer, nothing of the program is left out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from scripts.documents import articles, evidence, examples
from scripts.documents.asked import TERM_WORDS, makers
from scripts.documents.pages import PAGES
from scripts.documents.reference_commands import arguments_of

from weighbridge.cli import COMMANDS
from weighbridge.engine import MODULES
from weighbridge.errors import WeighbridgeError
from weighbridge.formats.cache import CACHE_FORMATS
from weighbridge.formats.table import FORMATS
from weighbridge.hardware.cards import list_cards
from weighbridge.options import ENGINES, engine_options
from weighbridge.options.common import DEPLOYMENT, WORKLOAD
from weighbridge.options.recommend import MODELS, WISHES
from weighbridge.options.training import TRAINING
from weighbridge.rules.claims import claims_for
from weighbridge.rules.table import RULES
from weighbridge.term import LADDER, NAMES

DOCS = Path(__file__).parents[2] / "docs"


def read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_made_pages_are_what_the_program_says(name: str) -> None:
    """`python -m scripts.documents` writes them."""
    assert read(name) == PAGES[name]()


@pytest.mark.parametrize("path", examples.pages(), ids=lambda path: path.name)
def test_shown_output_is_what_is_printed(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert examples.filled(text) == text


def every_command() -> list[str]:
    found = [
        command
        for path in examples.pages()
        for command in examples.commands_of(path.read_text(encoding="utf-8"))
    ]
    return sorted({command for command in found if examples.runs_here(command)})


@pytest.mark.parametrize("command", every_command())
def test_every_example_answers(command: str) -> None:
    code, text = examples.output(command)
    assert code in {0, 1}
    assert text


def test_examples_that_are_not_run_name_commands_that_exist() -> None:
    for path in examples.pages():
        for command in examples.commands_of(path.read_text(encoding="utf-8")):
            word = command.split()[1]
            flags = set(re.findall(r" (--[a-z-]+)", command.partition(" -- ")[0]))
            if not examples.runs_here(command) and word in COMMANDS:
                known = {f for action in arguments_of(word) for f in action.option_strings}
                assert flags <= known | {"--on", "--engine"}, command


def test_python_blocks_run() -> None:
    for path in sorted((DOCS / "how-to").glob("*.md")) + sorted((DOCS / "tutorials").glob("*.md")):
        for block in re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.S):
            exec(compile(block, str(path), "exec"), {})


def test_every_command_and_argument_is_in_the_reference() -> None:
    text = read("reference/commands.md")
    for command in COMMANDS:
        section = text.partition(f"## weigh {command}\n")[2].partition("\n## ")[0]
        assert section, command
        for action in arguments_of(command):
            assert all(f"`{flag}`" in section for flag in action.option_strings), action
            assert action.help, (command, action.dest)


def test_every_option_is_in_the_reference_with_words() -> None:
    text = read("reference/options.md")
    own = [o for engine in ENGINES for o in engine_options(engine).own.values()]
    for option in (*DEPLOYMENT, *WORKLOAD, *TRAINING, *WISHES, *MODELS, *own):
        assert option.help, option.name
        assert f"`{option.flag}`" in text
        assert f"`{option.name}`" in text


def test_every_term_is_explained_and_made_by_somebody() -> None:
    text, how = read("reference/terms.md"), read("explanation/terms.md")
    assert set(TERM_WORDS) == set(NAMES) == set(makers()) == set(evidence.MEASURED_BY_TERM)
    assert all(f"| `{name}` |" in text and f"## {name}\n" in how for name in NAMES)
    assert all(f"| `{rung}` |" in text for rung in LADDER)


def test_every_term_has_measured_rows_that_the_report_knows() -> None:
    known = evidence.groups()
    for name, wanted in evidence.MEASURED_BY_TERM.items():
        assert wanted, name
        assert set(wanted) <= set(known), name


def test_every_engine_format_card_and_error_is_in_the_reference() -> None:
    assert all(f"| `{name}` |" in read("reference/engines.md") for name in MODULES)
    formats = read("reference/formats.md")
    assert all(f"| `{each.name}` |" in formats for each in (*FORMATS, *CACHE_FORMATS))
    assert all(f"| `{card.id}` |" in read("reference/cards.md") for card in list_cards())
    errors, wanted = read("reference/errors.md"), [WeighbridgeError]
    while wanted:
        one = wanted.pop()
        wanted += one.__subclasses__()
        if one.__module__ == "weighbridge.errors":
            assert f"| `{one.__name__}` |" in errors


def test_every_claim_and_every_kind_of_rule_is_among_the_articles() -> None:
    shown = {wanted for row in articles.page_rows() for wanted in row.ids}
    claims = {claim.id for claim in claims_for(articles.plan_of(articles.LLAMA_2))}
    assert claims <= shown
    assert shown <= claims | {rule.id for rule in RULES}


def test_links_between_pages_lead_somewhere() -> None:
    """The built site is checked with its anchors by ./scripts/docs; this needs no builder."""
    for path in [*examples.pages(), DOCS.parent / "README.md"]:
        for target in re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (path.parent / target).exists(), f"{path.name}: {target}"
