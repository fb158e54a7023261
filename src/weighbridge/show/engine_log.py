"""The lines that the engine would log, under its name."""

from __future__ import annotations

from weighbridge.planner import Plan
from weighbridge.show.page import INDENT, Page
from weighbridge.show.width import clean, truncate


def engine_log(plan: Plan, page: Page) -> str:
    """What it would print on loading; nothing where it prints nothing of the kind."""
    if not plan.log:
        return ""
    lines = [truncate(clean(line), page.inner) for line in plan.log]
    return "\n".join(
        [f"{INDENT}{plan.engine.name} would log", *(INDENT + page.paint(x, "faint") for x in lines)]
    )
