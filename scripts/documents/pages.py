"""Which page is made by which function."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from scripts.documents import (
    adding,
    articles,
    evidence,
    reference,
    reference_commands,
    reference_tables,
)


class _Page(NamedTuple):
    name: str
    make: Callable[[], str]


PAGES: dict[str, Callable[[], str]] = dict(
    (
        _Page("reference/commands.md", reference_commands.commands),
        _Page("reference/options.md", reference.options),
        _Page("reference/terms.md", reference.terms),
        _Page("reference/engines.md", reference.engines),
        _Page("reference/formats.md", reference_tables.formats),
        _Page("reference/cards.md", reference_tables.cards),
        _Page("reference/errors.md", reference.errors),
        _Page("reference/python.md", reference.python),
        _Page("explanation/terms.md", evidence.terms),
        _Page("explanation/measured.md", evidence.measured),
        _Page("how-to/add.md", adding.adding),
        _Page("articles.md", articles.articles),
    )
)
