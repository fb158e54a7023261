"""Answers of ``--solve``: each fits, and one step more does not; the ladder's rungs fit too."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import weighbridge as wb
from weighbridge.training.ladder import RUNGS

CARDS = ("rtx-4090", "a100-sxm-80gb", "l40s")


@settings(max_examples=12, deadline=None)
@given(
    card=st.sampled_from(CARDS),
    method=st.sampled_from(("lora", "qlora")),
    length=st.integers(64, 3000),
    checkpointing=st.sampled_from(("none", "full")),
)
def test_the_largest_micro_batch_fits_and_one_more_does_not(
    card: str, method: str, length: int, checkpointing: str
) -> None:
    options: dict[str, Any] = {"on": card, "method": method, "seq_len": length,
                               "checkpointing": checkpointing}  # fmt: skip
    found = wb.train("llama-3.2-3b", solve="micro-batch", **options)
    best = found.request.training.micro_batch
    if found.fits:
        assert wb.train("llama-3.2-3b", micro_batch=best + 1, **options).fits is False
    else:
        assert best == 1


@settings(max_examples=8, deadline=None)
@given(card=st.sampled_from(CARDS), batch=st.integers(1, 8))
def test_the_longest_sequence_fits_and_one_more_does_not(card: str, batch: int) -> None:
    options: dict[str, Any] = {"on": card, "method": "lora", "micro_batch": batch}
    found = wb.train("llama-3.2-3b", solve="seq-len", **options)
    assert found.fits
    limit = found.model.max_positions or 0
    if found.length < limit:
        assert wb.train("llama-3.2-3b", seq_len=found.length + 1, **options).fits is False


def test_the_fewest_cards_fit_and_one_less_does_not() -> None:
    options: dict[str, Any] = {"seq_len": 2048, "checkpointing": "full", "sharding": "fsdp2"}
    found = wb.train("llama-3.1-8b", solve="cards", on="a100-sxm-80gb", **options)
    count = found.ranks.world
    assert found.fits
    assert count > 1
    less = wb.train("llama-3.1-8b", on=f"{count - 1}xa100-sxm-80gb", **options)
    assert less.fits is False


def test_the_method_gives_up_as_little_as_it_can() -> None:
    assert wb.train("llama-3.2-1b", solve="method", on="h100").request.training.method == "full"
    found = wb.train("llama-3.1-8b", solve="method", on="rtx-4090")
    assert found.fits
    assert found.request.training.method == "lora"


def test_every_remedy_makes_it_fit() -> None:
    plan = wb.train(
        "llama-3.1-8b", method="qlora", checkpointing="none", on="rtx-4090", seq_len=4096
    )
    assert plan.fits is False
    assert plan.verdict.remedies
    for remedy in plan.verdict.remedies:
        assert remedy.total <= (plan.devices[0].usable or 0)


def test_where_no_rung_is_enough_they_are_climbed_together() -> None:
    plan = wb.train("llama-3.1-8b", seq_len=8192, on="rtx-4090")
    together = plan.verdict.remedies[0]
    assert together.option.count("--") >= 2
    assert together.total <= (plan.devices[0].usable or 0)


def test_rungs_that_cost_nothing_come_first() -> None:
    costs = [rung.why for rung in RUNGS]
    free = [index for index, why in enumerate(costs) if why.startswith("costs nothing")]
    assert free == [0, 1]
    assert costs.index("trains adapters only") > max(free)


@pytest.mark.parametrize("solve", ["micro-batch", "seq-len", "cards", "method"])
def test_an_answer_says_what_was_solved(solve: str) -> None:
    plan = wb.train("llama-3.2-1b", solve=solve, on="a100-sxm-80gb", method="lora")
    assert "fit" in plan.assumptions[0]
