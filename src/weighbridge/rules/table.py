"""The rules of thumb: to add one, add a row to the table of its kind."""

from __future__ import annotations

from weighbridge.planner import Plan
from weighbridge.rules import cache_rules, formulas, other_rules, total_rules, weights_rules
from weighbridge.rules.result import RuleResult
from weighbridge.rules.rule import Rule
from weighbridge.rules.subject import subject_of

RULES: tuple[Rule, ...] = (
    *weights_rules.RULES,
    *cache_rules.RULES,
    *total_rules.RULES,
    *other_rules.RULES,
)


def rules_for(plan: Plan) -> tuple[RuleResult, ...]:
    """What every rule says of the plan's model, beside the plan's own figures."""
    subject = subject_of(plan)
    return tuple(rule.apply(subject) for rule in RULES)


def disagreements(plan: Plan, results: tuple[RuleResult, ...]) -> tuple[str, ...]:
    """Results whose quoted figure of ours is not the plan's sum of its terms; none is right."""
    definition = formulas.training_by_definition(plan.model.parameters)
    found = []
    for result in results:
        names = result.ours.terms
        summed = sum(plan.term(name) for name in names) if names else definition
        if summed != result.ours.bytes:
            found.append(
                f"{result.id} quotes {result.ours.bytes:,} bytes as ours; the plan has {summed:,}"
            )
    return tuple(found)
