"""What articles say that hardware or a trick will do, computed for the model and card at hand."""

from __future__ import annotations

from weighbridge.hardware.card import Card
from weighbridge.planner import Plan
from weighbridge.rules.claim import Claim
from weighbridge.rules.claims_speed import balance, card_of
from weighbridge.rules.words import times
from weighbridge.units import GB, format_bytes_decimal

GENERATIONS = ("v100-sxm2-32gb", "a100-sxm-80gb", "h100-sxm", "b200")
INDEX_BITS = 2
"""Of each kept value of a 2:4 sparse matrix: arXiv:2104.08378, section 3."""


def kept(bits: int) -> float:
    """Share of a dense matrix's bytes that 2:4 sparsity keeps: half of the values, and indices.

    >>> kept(16), kept(8)
    (0.5625, 0.625)
    """
    return (bits + INDEX_BITS) / (2 * bits)


def sparsity(plan: Plan) -> Claim:
    """2:4."""
    weights = plan.term("weights")
    return Claim(
        "sparsity",
        "2:4 sparsity halves memory and doubles speed",
        False,
        f"it keeps half of the values and {INDEX_BITS} bits of index for each: {kept(16):.1%} of a "
        f"matrix in 16 bit, {kept(8):.1%} in 8; were all of this model's "
        f"{format_bytes_decimal(weights)} in such matrices, a decode step that waits for memory "
        f"would be at most {times(1 / kept(16))} as fast in 16 bit; data sheets that print "
        "twice the operations mean prefill of a pruned model, and the table of cards holds the "
        "dense rates",
        "for the operations of prefill and training of a model that was pruned for it, in one "
        "format on one family of cards",
        "Mishra et al., Accelerating Sparse Deep Neural Networks, arXiv:2104.08378",
    )


def stacked(plan: Plan) -> Claim:
    """HBM is stacked already."""
    del plan
    cards = [card_of(None, name) for name in GENERATIONS]
    row = ", ".join(
        f"{card.name} ({card.launch_year}) {(card.bandwidth or 0) / GB:,.0f} GB/s and "
        f"{balance(card):,.0f} operations per byte"
        for card in cards
    )
    return Claim(
        "stacked",
        "stacked memory removes the memory wall",
        False,
        f"HBM is stacked memory, and arithmetic grew with it: {row}",
        "as a factor on bandwidth: each generation of stacks shortens a decode step by its own "
        "bandwidth",
        "bandwidth and dense 16-bit rates of the table of cards, with their sources",
    )


def pooled(plan: Plan) -> Claim:
    """CXL runs over the wires of PCIe."""
    card = card_of(plan, "h100-sxm")
    if not card.bandwidth or not card.pcie_bandwidth:
        card = card_of(None, "h100-sxm")
    weights = plan.term("weights")
    return Claim(
        "cxl",
        "CXL memory makes a card's memory as large as one likes",
        False,
        f"it adds room, at the speed of PCIe, over whose wires it runs: {card.pcie} moves "
        f"{(card.pcie_bandwidth or 0) / GB:,.0f} GB/s one way where {card.name}'s own memory moves "
        f"{(card.bandwidth or 0) / GB:,.0f}; this model's weights cross in "
        f"{_ms(weights, card.pcie_bandwidth)} instead of {_ms(weights, card.bandwidth)}, for every "
        "token of one user",
        "for what is seldom read: caches of idle users, optimizer states, weights while loading",
        "CXL 2.0 and 3.x specifications (electrical layer of PCIe 5.0 and 6.0); table of cards",
    )


def prefetching(plan: Plan) -> Claim:
    """Overlap hides the shorter of two times, and no more."""
    card: Card = card_of(plan, "h100-sxm")
    if not balance(card):
        card = card_of(None, "h100-sxm")
    sequences = plan.request.workload.concurrency
    move = plan.term("weights") / (card.bandwidth or 1)
    rate = card.flops("bf16") or card.flops("fp16") or 1
    work = 2 * plan.model.active_parameters * sequences / rate
    gain = (move + work) / max(move, work)
    return Claim(
        "prefetching",
        "prefetching weights hides the memory wall",
        gain > 1.5,
        f"it can hide the shorter of two times behind the longer: a decode step of {sequences:,} "
        f"sequence{'s' if sequences > 1 else ''} moves weights for {move * 1e3:.2f} ms on "
        f"{card.name} and computes for {work * 1e3:.3f} ms, so perfect overlap is at most "
        f"{gain - 1:.1%} faster than none; bandwidth stays the floor",
        "where both times are alike (large batches, offloaded layers in prefill): up to twice",
        "max(a, b) against a + b; weights once per step, 2 operations per active parameter",
    )


def _ms(size: int, speed: int | None) -> str:
    return f"{size / speed * 1e3:,.1f} ms" if speed else "unknown time"
