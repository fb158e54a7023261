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
        "bytes-per-precision", "int8-quarter", "tokens-28k", "cache-40gb", "squared-memory",
        "users-50", "hbm-100", "reads-15gb", "waits-90", "flash-google", "squared", "sparsity",
        "stacked", "cxl", "prefetching",
    }  # fmt: skip
    assert all(claim.ours and claim.source and claim.near for claim in found)
    assert "arXiv:2407.08608" in claims_to_text(found, why=True)


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ("hbm-100", "3,350 GB/s"),
        ("reads-15gb", "140 GB for each token"),
        ("waits-90", "B = 30"),
        ("squared", "operations of this model"),
        ("bytes-per-precision", "16 bit 16.06 GB (14.96 GiB), 16 bits"),
        ("tokens-28k", "131,072 bytes"),
        ("cache-40gb", "17.18 GB (16.00 GiB)"),
        ("squared-memory", "32 heads × 8,192² × 2 bytes"),
        ("cxl", "63 GB/s"),
        ("sparsity", "56.2%"),
        ("prefetching", "at most 0.3% faster"),
    ],
)
def test_claims_say_the_figures(claim: str, said: str) -> None:
    assert said in claims()[claim].ours  # type: ignore[attr-defined]


def test_the_share_of_waiting_follows_the_batch() -> None:
    one = claims(concurrency=1, input_tokens=128, output_tokens=32)["waits-90"]
    many = claims(concurrency=30, input_tokens=16, output_tokens=16)["waits-90"]
    assert not one.holds  # type: ignore[attr-defined]
    assert many.holds  # type: ignore[attr-defined]


def test_what_was_said_of_the_first_models_holds_of_them() -> None:
    old = {c.id: c for c in claims_for(wb.plan("llama-2-7b", on="h100-sxm"))}
    assert old["tokens-28k"].holds
    large = {c.id: c for c in claims_for(wb.plan("llama-3.1-70b"))}
    assert large["cache-40gb"].holds
    assert "40.00 GiB" in large["cache-40gb"].ours


def test_users_follow_the_room_of_a_card() -> None:
    roomy = claims()["users-50"].ours  # type: ignore[attr-defined]
    narrow = claims(on="rtx-4090")["users-50"].ours  # type: ignore[attr-defined]
    assert int(narrow.split()[0]) < int(roomy.split()[0])
    assert "no card was named" in claims(on=None)["users-50"].ours  # type: ignore[attr-defined]


@pytest.mark.parametrize("model", ["falcon-mamba-7b", "t5-base", "deepseek-v3", "7B"])
def test_claims_answer_for_every_kind_of_model(model: str) -> None:
    assert all(claim.ours for claim in claims_for(wb.plan(model)))
