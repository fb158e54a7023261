"""The articles' rules of thumb, as written, beside the truth.

:func:`rules_for` puts a plan's numbers into every rule; :func:`rules_to_text` prints them.
"""

from weighbridge.rules.result import Ours, RuleResult
from weighbridge.rules.table import RULES, disagreements, rules_for
from weighbridge.rules.text import rules_to_text

__all__ = ["RULES", "Ours", "RuleResult", "disagreements", "rules_for", "rules_to_text"]
