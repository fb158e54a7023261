"""Plan → Markdown: for a notebook that shows no HTML, a README, an issue."""

from __future__ import annotations

from collections.abc import Sequence

from weighbridge.planner import Plan, Weighing
from weighbridge.show.ledger import (
    Group,
    Unit,
    fullest,
    group_devices,
    headings,
    ledger_rows,
    unit_for,
)
from weighbridge.show.summary import (
    NO_WAY_OUT,
    assumptions,
    bounds_note,
    facts,
    further_totals,
    logged,
    verdict_head,
    ways_out,
)
from weighbridge.show.tables import escape_markdown, markdown_table
from weighbridge.term import spoken
from weighbridge.words import say


def plan_to_markdown(plan: Plan) -> str:
    """The verdict, what was weighed, the ledger, the way out and the assumptions."""
    return answer_to_markdown(plan, facts(plan), logged(plan))


def answer_to_markdown(
    plan: Weighing, said: Sequence[tuple[str, str]], log: tuple[str, list[str]] = ("", [])
) -> str:
    """Any answer, in the same blocks."""
    unit, groups = unit_for(plan), group_devices(plan)
    worst = fullest(groups)
    blocks = [
        _verdict(plan),
        "\n".join(f"- {say(name)}: {escape_markdown(say(text))}" for name, text in said),
        _devices(groups, unit),
        _ledger(worst, unit, named=len(groups) > 1 or worst.count > 1),
        "\n".join(f"- {escape_markdown(say(each))}" for each in further_totals(plan, worst.first)),
        _way_out(plan),
        _listed(*log),
        _listed("Assumed", assumptions(plan)),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _verdict(plan: Weighing) -> str:
    head = verdict_head(plan)
    details = [say(each) for each in (head.detail, bounds_note(plan)) if each]
    return f"**{head.mark} {say(head.word)}**: {escape_markdown('; '.join(details))}"


def _devices(groups: tuple[Group, ...], unit: Unit) -> str:
    """A row per group of devices, where there are several."""
    if len(groups) == 1:
        return ""
    rows = [
        (
            group.indices,
            group.title,
            unit.text(group.first.total),
            unit.text(group.first.usable),
            _free(group, unit),
            {True: "✓", False: "✗", None: ""}[group.first.fits],
        )
        for group in groups
    ]
    header = ("device", "card", f"peak, {unit.name}", "usable", "free", "fits")
    return markdown_table(header, rows, "llrrrl")


def _free(group: Group, unit: Unit) -> str:
    if group.free is None:
        return ""
    sign = "−" if group.free < 0 else ""
    return sign + unit.text(abs(group.free))


def _ledger(group: Group, unit: Unit, *, named: bool) -> str:
    first = f"peak, in {spoken(group.first.phase)}"
    if named:
        first = f"{group.numbered}, {first}"
    header = (first, *headings(group, unit)[1:])
    return markdown_table(header, [row.cells for row in ledger_rows(group, unit)], "llrrrl")


def _way_out(plan: Weighing) -> str:
    if plan.fits is not False:
        return ""
    rows = ways_out(plan)
    if not rows:
        return f"{say('To make it fit')}: {say(NO_WAY_OUT)}"
    return markdown_table(("To make it fit", "takes", "because"), rows, "lrl")


def _listed(title: str, items: list[str]) -> str:
    if not items:
        return ""
    return "\n".join([f"{say(title)}:", "", *(f"- {escape_markdown(say(item))}" for item in items)])
