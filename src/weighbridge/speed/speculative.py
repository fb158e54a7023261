"""Speculative decoding: how many tokens a verified step yields.

Accepted lengths measured by InferenceX (``golden_al_distribution``) for draft lengths of
multi-token prediction and EAGLE-3; between them and for other acceptance rates, the geometric
sum of Leviathan et al. (arXiv:2211.17192): (1 - a^(n+1)) / (1 - a).
"""

from __future__ import annotations

from typing import NamedTuple

from weighbridge.errors import RequestError


class Accepted(NamedTuple):
    """Tokens per step with ``drafts`` drafted ones, the next one included."""

    method: str
    drafts: int
    tokens: float
    model: str


MEASURED = (
    Accepted("mtp", 1, 1.79, "DeepSeek-V4-Pro"),
    Accepted("mtp", 2, 2.27, "DeepSeek-V4-Pro"),
    Accepted("mtp", 3, 2.49, "DeepSeek-V4-Pro"),
    Accepted("mtp", 5, 2.55, "DeepSeek-V4-Pro"),
    Accepted("eagle3", 1, 1.83, "Kimi-K2.5"),
    Accepted("eagle3", 3, 2.88, "Kimi-K2.5"),
    Accepted("eagle3", 5, 3.46, "Kimi-K2.5"),
    Accepted("eagle3", 8, 3.77, "Kimi-K2.5"),
)


def tokens_per_step(drafts: int, acceptance: float) -> float:
    """Expected tokens of a step where each draft is accepted with this probability.

    >>> round(tokens_per_step(3, 0.8), 3)
    2.952
    """
    if not 0 <= acceptance < 1:
        raise RequestError(f"an acceptance rate is at least 0 and below 1, not {acceptance}")
    return (1 - acceptance ** (drafts + 1)) / (1 - acceptance)


def measured_tokens(drafts: int, method: str = "mtp") -> float:
    """Tokens per step as measured for this draft length, or the nearest shorter one."""
    if drafts < 1:
        return 1.0
    rows = [row for row in MEASURED if row.method == method and row.drafts <= drafts]
    return max(row.tokens for row in rows)
