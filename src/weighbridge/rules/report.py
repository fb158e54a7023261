"""``weigh rules`` as one object: the rules and claims beside a plan."""

from __future__ import annotations

from typing import Any, NamedTuple

from weighbridge._version import __version__
from weighbridge.planner import Plan
from weighbridge.rules import RuleResult, rules_for
from weighbridge.rules.claims import Claim, claims_for


class RulesReport(NamedTuple):
    """A plan, and what the rules say of it."""

    plan: Plan
    rules: tuple[RuleResult, ...]
    claims: tuple[Claim, ...]

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON prints it."""
        model = self.plan.model
        return {
            "schema": 1,
            "version": __version__,
            "model": {"id": model.id, "parameters": model.parameters},
            "rules": [result.to_dict() for result in self.rules],
            "claims": [claim.to_dict() for claim in self.claims],
        }


def rules_report(plan: Plan) -> RulesReport:
    """The rules and claims that are known, beside the plan."""
    return RulesReport(plan, tuple(rules_for(plan)), tuple(claims_for(plan)))
