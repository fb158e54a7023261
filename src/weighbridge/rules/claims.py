"""What articles say of speed, computed again: sentences, and the numbers of the model at hand.

These are not sums of bytes that a plan's terms could be held against, hence not rows of ``RULES``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from weighbridge.hardware.cards import find_card
from weighbridge.planner import Plan
from weighbridge.speed.arithmetic import pass_operations
from weighbridge.speed.roofline import Speed
from weighbridge.speed.step import Split
from weighbridge.units import GB, format_bytes_decimal

TOKENS_PER_WORD = 4 / 3


class Claim(NamedTuple):
    """A sentence of an article, whether it holds, and what is so instead."""

    id: str
    says: str
    holds: bool
    ours: str
    source: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON prints it."""
        return self._asdict()


def claims_for(plan: Plan) -> tuple[Claim, ...]:
    """Every claim, beside this plan."""
    return tuple(make(plan) for make in CLAIMS)


def hbm(plan: Plan) -> Claim:
    """80 to 100 GB/s."""
    cards = [device.card for device in plan.devices if device.card and device.card.bandwidth]
    card = cards[0] if cards else find_card("h100-sxm")
    speed = (card.bandwidth or 0) / GB
    return Claim(
        "hbm-100",
        "HBM moves 80 to 100 GB/s",
        80 <= speed <= 100,
        f"that is two channels of DDR5 (5,600 MT/s × 16 bytes = 89.6 GB/s); {card.name} reads "
        f"{speed:,.0f} GB/s, {speed / 100:,.0f} times as much, and an H100 SXM 3,350 GB/s",
        "articles on memory walls; JEDEC JESD79-5 for DDR5, NVIDIA H100 data sheet",
    )


def reads(plan: Plan) -> Claim:
    """15 GB for 1,000 words from 70B."""
    seventy, words = 70 * GB * 2, 1000
    tokens = round(words * TOKENS_PER_WORD)
    own = plan.term("weights")
    return Claim(
        "reads-15gb",
        "a 70B model reads 15 GB to write 1,000 words",
        False,
        f"in 16 bit it reads {format_bytes_decimal(seventy, 0)} for each token, so "
        f"{format_bytes_decimal(seventy * tokens, 0)} for {words:,} words of one user "
        f"(4 tokens to 3 words); this model holds {format_bytes_decimal(own)} of weights, and a "
        "step of any number of users reads no more than that once",
        "arithmetic: parameters × bytes, every weight once per step",
    )


def waiting(plan: Plan) -> Claim:
    """90 % of the time."""
    share = _wait(plan)
    words = (
        "no card was named"
        if share is None
        else (f"here, with {plan.request.workload.concurrency:,} at once, it is {share:.0%}")
    )
    return Claim(
        "waits-90",
        "arithmetic waits for memory 90 % of the time",
        share is not None and 0.85 <= share <= 0.95,
        f"{words}; on an H100 in 16 bit (295 operations per byte) a decode step of B sequences "
        "does about B operations per byte, so it waits 99.7 % of the time at B = 1, 90 % at about "
        "B = 30, 0 % from about 295 on; in prefill it hardly waits",
        "roofline: 1 - B × bandwidth / arithmetic, cache aside",
    )


def _wait(plan: Plan) -> float | None:
    speed = plan.speed
    if speed is None:
        return None
    if isinstance(speed, Speed):
        return None if speed.decode is None else speed.decode.memory_wait_fraction
    split: Split = speed.pace.decode
    return float(split.memory_wait_fraction)


def flash(plan: Plan) -> Claim:
    """Google's."""
    del plan
    return Claim(
        "flash-google",
        "FlashAttention-3 is Google's",
        False,
        "it is by Shah, Bikshandi, Zhang, Thakkar, Ramani and Dao: Colfax Research, Meta, NVIDIA, "
        "Georgia Tech, Princeton and Together AI; it saves traffic of scores, not operations",
        "arXiv:2407.08608",
    )


def squared(plan: Plan) -> Claim:
    """Sequence length squared."""
    model, tokens = plan.model, max(plan.tokens.prompt, 2)
    if model.encodes_prompt:
        return Claim("squared", "time grows with the square of the length", False,
                     "an encoder takes the prompt here", "arXiv:2205.14135")  # fmt: skip
    once = pass_operations(model, tokens, tokens)
    twice = pass_operations(model, 2 * tokens, 2 * tokens)
    return Claim(
        "squared",
        "time grows with the square of the length",
        twice / once > 3.5,
        f"only attention's pairs do: twice {tokens:,} tokens take {twice / once:.2f} times the "
        "operations of this model (2 would be linear, 4 squared); a decode step grows linearly "
        "with what is cached, and FlashAttention keeps no squared memory",
        "arXiv:2205.14135; operations counted in speed/arithmetic.py",
    )


CLAIMS: tuple[Callable[[Plan], Claim], ...] = (hbm, reads, waiting, flash, squared)


def claims_to_text(claims: tuple[Claim, ...], *, why: bool = False) -> str:
    """One paragraph each."""
    lines = ["What articles say of speed:"]
    for claim in claims:
        lines.append(f"  “{claim.says}”: {'so here' if claim.holds else 'no'}; {claim.ours}")
        if why:
            lines.append(f"    source: {claim.source}")
    return "\n".join(lines)
