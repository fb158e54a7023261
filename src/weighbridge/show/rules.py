"""Rules of thumb → text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from weighbridge.planner import Plan
from weighbridge.rules.result import RuleResult
from weighbridge.rules.words import both, percent
from weighbridge.show.width import pad, wrap
from weighbridge.words import say

LABEL = 10


def rules_to_text(
    plan: Plan, results: Sequence[RuleResult], why: bool = False, width: int = 100
) -> str:
    """What each rule says, what the plan says, the error between them, and where it comes from.

    ``why`` adds the numbers put in, the units and the sources.
    """
    blocks = [_heading(plan, width)]
    blocks += [_block(result, why, width) for result in results]
    return "\n\n".join(blocks)


def _heading(plan: Plan, width: int) -> str:
    tokens = plan.tokens
    sequences = plan.request.workload.concurrency
    text = (
        f"Rules of thumb for {plan.model.id} with weights in {plan.settings.get('weights', '?')}, "
        f"{tokens.prompt:,} tokens in and {tokens.output:,} out, {sequences:,} "
        f"sequence{'s' if sequences > 1 else ''}: our total is {both(plan.total)}."
    )
    return "\n".join(wrap(say(text), max(width, 20)))


def _block(result: RuleResult, why: bool, width: int) -> str:
    lines = wrap(say(result.title), max(width, 20))
    lines += _line("formula", result.formula, width)
    if result.applies:
        lines += _line("says", says(result), width)
        lines += _line("ours", f"{both(result.ours.bytes)}, {result.ours.what}", width)
        lines += _line("error", error(result), width)
    else:
        lines += _line("silent", f"it does not apply: {result.why_not}", width)
    lines += _line("near", result.near, width)
    lines += _line("fails", result.fails, width)
    for sentence in result.here:
        lines += _line("here", sentence, width)
    if why:
        if result.inputs:
            lines += _line("put in", put_in(result), width)
        lines += _line("unit", f"{result.unit}; {result.unit_note}", width)
        lines += _line("source", result.source, width)
    return "\n".join(lines)


def says(result: RuleResult) -> str:
    """The rule's figure, or its range."""
    if result.low is None or result.high is None:
        return "nothing"
    if result.is_range:
        return f"{both(result.low)} to {both(result.high)}"
    return both(result.low)


def error(result: RuleResult) -> str:
    """The signed error; for a range, whether ours lies inside and how far its ends are off."""
    if result.error is None or result.error_low is None or result.error_high is None:
        return "none can be given: ours is 0 bytes"
    if not result.is_range:
        return percent(result.error)
    ends = f"{percent(result.error_low)} to {percent(result.error_high)}"
    return f"ours lies {'inside' if result.inside else 'outside'}: {ends}"


def put_in(result: RuleResult) -> str:
    """The numbers of the formula."""
    return ", ".join(f"{name} = {_number(value)}" for name, value in result.inputs.items())


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _line(label: str, text: str, width: int) -> list[str]:
    """A label in its column, and the text beside it, broken where the line ends."""
    first, rest = f"  {pad(say(label), LABEL - 2)}", " " * LABEL
    lines = wrap(say(text), max(width - LABEL, 20)) or [""]
    return [(first if index == 0 else rest) + line for index, line in enumerate(lines)]
