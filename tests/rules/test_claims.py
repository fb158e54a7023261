"""What articles say of speed, beside a plan."""

from __future__ import annotations

import pytest

import weighbridge as wb
from weighbridge.rules.claims import claims_for, claims_to_text


def claims(**options: object) -> dict[str, object]:
    plan = wb.plan("llama-3.1-8b", **{"on": "h100-sxm", **options})
    return {claim.id: claim for claim in claims_for(plan)}


def test_every_claim_is_recomputed_with_a_source() -> None:
    found = claims_for(wb.plan("llama-3.1-8b", on="h100-sxm"))
    assert {c.id for c in found} == {
        "hbm-100", "reads-15gb", "waits-90", "flash-google", "squared",
    }  # fmt: skip
    assert all(claim.ours and claim.source for claim in found)
    assert "arXiv:2407.08608" in claims_to_text(found, why=True)


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ("hbm-100", "3,350 GB/s"),
        ("reads-15gb", "140 GB for each token"),
        ("waits-90", "B = 30"),
        ("squared", "operations of this model"),
    ],
)
def test_claims_say_the_figures(claim: str, said: str) -> None:
    assert said in claims()[claim].ours  # type: ignore[attr-defined]


def test_the_share_of_waiting_follows_the_batch() -> None:
    one = claims(concurrency=1, input_tokens=128, output_tokens=32)["waits-90"]
    many = claims(concurrency=30, input_tokens=16, output_tokens=16)["waits-90"]
    assert not one.holds  # type: ignore[attr-defined]
    assert many.holds  # type: ignore[attr-defined]
