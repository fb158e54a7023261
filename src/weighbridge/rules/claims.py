"""What articles say, computed again beside a plan: to add a claim, add its function here.

These are sentences and not sums of bytes that a plan's terms could be held against, hence not rows
of ``RULES``.
"""

from __future__ import annotations

from collections.abc import Callable

from weighbridge.planner import Plan
from weighbridge.rules import claims_hardware, claims_memory, claims_speed
from weighbridge.rules.claim import Claim

CLAIMS: tuple[Callable[[Plan], Claim], ...] = (
    claims_memory.precisions,
    claims_memory.quarter,
    claims_memory.tokens_in_14_gb,
    claims_memory.long_cache,
    claims_memory.squared_memory,
    claims_memory.users,
    claims_speed.hbm,
    claims_speed.reads,
    claims_speed.waiting,
    claims_speed.flash,
    claims_speed.squared,
    claims_hardware.sparsity,
    claims_hardware.stacked,
    claims_hardware.pooled,
    claims_hardware.prefetching,
)


def claims_for(plan: Plan) -> tuple[Claim, ...]:
    """Every claim, beside this plan."""
    return tuple(make(plan) for make in CLAIMS)


def claims_to_text(claims: tuple[Claim, ...], *, why: bool = False) -> str:
    """One paragraph each."""
    lines = ["What articles say:"]
    for claim in claims:
        lines.append(f"  “{claim.says}”: {'so here' if claim.holds else 'no'}; {claim.ours}")
        if why:
            lines += [f"    near: {claim.near}", f"    source: {claim.source}"]
    return "\n".join(lines)
