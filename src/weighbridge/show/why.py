"""Every number opened: formula, what was put in, bounds, evidence and source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from weighbridge.planner import Weighing
from weighbridge.show.labels import BASES, label, phase_label, place
from weighbridge.show.ledger import Group
from weighbridge.show.page import INDENT, Page
from weighbridge.show.summary import card_line
from weighbridge.show.width import clean, truncate
from weighbridge.term import Term
from weighbridge.units import format_bytes
from weighbridge.words import say


def why_to_text(plan: Weighing, groups: Sequence[Group], page: Page) -> str:
    """The terms of every phase of every group of devices, the card, and the config's answers."""
    blocks = []
    for group in groups:
        if len(groups) > 1:
            title = truncate(group.numbered, page.inner)
            blocks.append(INDENT + page.paint(title, "strong"))
        blocks += [_term(term, group, page) for term in every_term(group)]
        blocks += [_usable(group, page)]
    blocks.append(_answers(plan, page))
    return "\n\n".join(block for block in blocks if block)


def every_term(group: Group) -> list[Term]:
    """Each term of each phase once, the phases in order, terms as they are shown elsewhere."""
    seen: dict[tuple[object, ...], Term] = {}
    for terms in group.first.phases.values():
        for term in sorted(terms, key=lambda term: place(term.name)):
            seen.setdefault((term.name, term.phase, term.bytes, term.formula), term)
    return sorted(seen.values(), key=lambda term: _PHASES.index(term.phase))


_PHASES = ("resident", "load", "prefill", "decode", "forward", "backward", "step")


def _term(term: Term, group: Group, page: Page) -> str:
    name = f"{label(term.name, group.vendor)}, {phase_label(term.phase)}"
    head = page.paint(say(name), "strong") + f"  {say(exact_size(term.bytes))}"
    pairs = [(key, text) for key, text in term_facts(term) if text]
    return f"{INDENT}{head}\n{page.fields(pairs, INDENT * 2)}"


def term_facts(term: Term) -> list[tuple[str, str]]:
    """What explains a term, as (name, text)."""
    exact = term.low == term.high == term.bytes
    bounds = f"between {exact_size(term.low)} and {exact_size(term.high)}"
    return [
        ("formula", clean(term.formula)),
        ("with", show_inputs(term.inputs)),
        ("bounds", "exact" if exact else bounds),
        ("basis", BASES.get(term.basis, term.basis)),
        ("source", clean(term.source)),
    ]


def exact_size(size: int) -> str:
    """``14.96 GiB (16,060,522,496 bytes)``."""
    return f"{size:,} bytes" if size < 1024 else f"{format_bytes(size)} ({size:,} bytes)"


def show_inputs(inputs: Mapping[str, Any]) -> str:
    """``tokens = 8,192 · layers = 32``."""
    return " · ".join(f"{clean(str(name))} = {_value(value)}" for name, value in inputs.items())


def _value(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.6g}"
    return clean(str(value))


def _usable(group: Group, page: Page) -> str:
    """Where the usable line comes from."""
    card = group.first.card
    if card is None:
        return ""
    usable = card.usable
    pairs = [
        ("card", card_line(group.first)),
        ("bounds", f"between {exact_size(usable.low)} and {exact_size(usable.high)}"),
        ("basis", BASES.get(usable.basis, usable.basis)),
        ("source", clean(usable.why)),
    ]
    head = f"{page.paint(say('usable'), 'strong')}  {say(exact_size(usable.bytes))}"
    return f"{INDENT}{head}\n{page.fields(pairs, INDENT * 2)}"


def _answers(plan: Weighing, page: Page) -> str:
    """Which key of the config said what."""
    pairs = [(clean(name), clean(answer)) for name, answer in plan.model.answers.items()]
    head = INDENT + page.paint(say("read from the model"), "strong")
    if plan.model.source:
        pairs.append(("source", clean(plan.model.source)))
    return f"{head}\n{page.fields(pairs, INDENT * 2)}" if pairs else ""
