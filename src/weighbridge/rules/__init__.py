"""The articles' rules of thumb, as written, beside the truth.

:func:`rules_for` puts a plan's numbers into every rule.
"""

from weighbridge.rules.result import Ours, RuleResult
from weighbridge.rules.table import RULES, disagreements, rules_for

__all__ = ["RULES", "Ours", "RuleResult", "disagreements", "rules_for"]
