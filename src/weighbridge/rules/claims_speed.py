"""What articles say of speed, computed again: sentences, and the numbers of the model at hand."""

from __future__ import annotations

from weighbridge.hardware.card import Card
from weighbridge.hardware.cards import find_card
from weighbridge.planner import Plan
from weighbridge.rules.claim import Claim
from weighbridge.speed.arithmetic import pass_operations
from weighbridge.speed.roofline import Speed
from weighbridge.speed.step import Split
from weighbridge.units import GB, format_bytes_decimal

TOKENS_PER_WORD = 4 / 3
DDR5 = 5600 * 10**6 * 16 / GB
"""Two channels of DDR5-5600, 8 bytes each: GB/s."""


def card_of(plan: Plan | None, name: str) -> Card:
    """The first card of the plan whose bandwidth is known, or else the named one."""
    devices = () if plan is None else plan.devices
    cards = [device.card for device in devices if device.card and device.card.bandwidth]
    return cards[0] if cards else find_card(name)


def balance(card: Card) -> float:
    """Operations in 16 bit per byte of memory that a card can do at once; 0 where not known."""
    rate = card.flops("bf16") or card.flops("fp16")
    return rate / card.bandwidth if rate and card.bandwidth else 0.0


def hbm(plan: Plan) -> Claim:
    """80 to 100 GB/s."""
    card = card_of(plan, "h100-sxm")
    speed = (card.bandwidth or 0) / GB
    return Claim(
        "hbm-100",
        "HBM moves 80 to 100 GB/s",
        80 <= speed <= 100,
        f"that is two channels of DDR5 (5,600 MT/s × 16 bytes = {DDR5:.1f} GB/s); {card.name} "
        f"reads {speed:,.0f} GB/s, {speed / 100:,.0f} times as much",
        "for the main memory of a desktop computer; or for 100 GB/s read as one stack of the first "
        "HBM (128 GB/s)",
        "articles on memory walls; JEDEC JESD79-5 for DDR5, JESD235 for HBM; the table of cards",
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
        f"(4 tokens to 3 words); this model holds {format_bytes_decimal(own)} of weights, so "
        f"{format_bytes_decimal(own * tokens, 0)}, and a step of any number of users reads no more "
        "than the weights once",
        "for one token of a model of 7 to 8 billion parameters in 16 bit",
        "arithmetic: parameters × bytes, every weight once per step",
    )


def waiting(plan: Plan) -> Claim:
    """90 % of the time."""
    share, card = _wait(plan), card_of(plan, "h100-sxm")
    if not balance(card):
        card = find_card("h100-sxm")
    ratio = balance(card)
    words = (
        "no card was named"
        if share is None
        else (f"here, with {plan.request.workload.concurrency:,} at once, it is {share:.0%}")
    )
    return Claim(
        "waits-90",
        "arithmetic waits for memory 90 % of the time",
        share is not None and 0.85 <= share <= 0.95,
        f"{words}; {card.name} does {ratio:,.0f} operations in 16 bit for each byte that it reads, "
        "and a decode step of B sequences about B, so it waits "
        f"{1 - 1 / ratio:.1%} of the time at B = 1, 90 % at about B = {ratio / 10:,.0f}, 0 % from "
        f"about {ratio:,.0f} on; in prefill it hardly waits",
        f"at about {ratio / 10:,.0f} sequences at once on {card.name}",
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
        "never: Google's work on the subject is another, such as Rabe and Staats, arXiv:2112.05682",
        "arXiv:2407.08608",
    )


def squared(plan: Plan) -> Claim:
    """Sequence length squared."""
    model, tokens = plan.model, max(plan.tokens.prompt, 2)
    says, near = (
        "time grows with the square of the length",
        ("when the prompt is so long that attention's pairs are most of its operations"),
    )
    if model.encodes_prompt:
        return Claim(
            "squared", says, False, "an encoder takes the prompt here", near, "arXiv:2205.14135"
        )
    once = pass_operations(model, tokens, tokens)
    twice = pass_operations(model, 2 * tokens, 2 * tokens)
    return Claim(
        "squared",
        says,
        twice / once > 3.5,
        f"only attention's pairs do: twice {tokens:,} tokens take {twice / once:.2f} times the "
        "operations of this model (2 would be linear, 4 squared); a decode step grows linearly "
        "with what is cached, and FlashAttention keeps no squared memory",
        near,
        "arXiv:2205.14135; operations counted in speed/arithmetic.py",
    )
