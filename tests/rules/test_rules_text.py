"""Rules as text, and the names and bits they are read from."""

from __future__ import annotations

import pytest

from weighbridge.planner import plan_request
from weighbridge.request import make_request
from weighbridge.rules import RULES, rules_for
from weighbridge.rules.subject import named_size, nominal_bits
from weighbridge.rules.words import off, percent
from weighbridge.show.rules import rules_to_text


def text(model: str, why: bool = False, width: int = 100, **options: object) -> str:
    plan = plan_request(make_request(model, options))
    return rules_to_text(plan, rules_for(plan), why=why, width=width)


def test_each_rule_has_its_block() -> None:
    blocks = text("llama-2-7b", context=2048, weights="fp16").split("\n\n")[1:]
    assert [block.split("\n")[0] for block in blocks] == [rule.title for rule in RULES]
    for block in blocks:
        for label in ("formula", "near", "fails"):
            assert f"\n  {label:<8}" in block
        assert ("\n  says " in block and "\n  error" in block) or "\n  silent" in block


def test_why_adds_numbers_units_and_sources() -> None:
    plain, full = text("llama-2-7b"), text("llama-2-7b", why=True)
    assert "  source" not in plain
    assert full.count("\n  source") == len(RULES)
    assert "parameters = 6,738,415,616" in full
    assert "7.4 %" in full


@pytest.mark.parametrize("width", [40, 72, 100, 140])
def test_lines_stay_within_the_width(width: int) -> None:
    for line in text("gemma-3-27b", why=True, width=width).split("\n"):
        assert len(line) <= width or "https://" in line or " " not in line.strip()


def test_both_units_are_printed() -> None:
    said = text("llama-2-7b", context=2048, weights="fp16")
    assert "16.80 GB (15.65 GiB)" in said
    assert "33.60 GB (31.29 GiB)" in said
    assert "33.55 MB (32.00 MiB)" in said


def test_an_encoder_is_told_why() -> None:
    assert text("bert-base-uncased").count("is an encoder") == 3


@pytest.mark.parametrize(
    ("name", "spoken", "size", "in_name"),
    [
        ("meta-llama/Llama-2-7b-hf", "7B", 7 * 10**9, True),
        ("Qwen/Qwen3-30B-A3B", "30B", 30 * 10**9, True),
        ("Qwen/Qwen1.5-MoE-A2.7B", "14B", 14 * 10**9, False),
        ("mistralai/Mixtral-8x7B-v0.1", "8x7B", 56 * 10**9, True),
        ("Qwen/Qwen2.5-0.5B", "0.5B", 5 * 10**8, True),
        ("google/gemma-3-270m", "270M", 270 * 10**6, True),
        ("deepseek-ai/DeepSeek-V3", "14B", 14 * 10**9, False),
        ("unsloth/Llama-3.1-8B-bnb-4bit", "8B", 8 * 10**9, True),
        ("/models/70b/phi-4/", "14B", 14 * 10**9, False),
        ("gpt-3-175B", "175B", 175 * 10**9, True),
        ("1.5T", "1.5T", 15 * 10**11, True),
        ("0B", "14B", 14 * 10**9, False),
    ],
)
def test_size_in_a_name(name: str, spoken: str, size: int, in_name: bool) -> None:
    named = named_size(name, 14_315_784_192)
    assert (named.text, named.parameters, named.in_name) == (spoken, size, in_name)


@pytest.mark.parametrize(
    ("count", "spoken"),
    [(671_026_404_352, "671B"), (1_235_814_400, "1.2B"), (110_106_428, "110M"), (3, "0.1M")],
)
def test_counts_are_spoken_rounded(count: int, spoken: str) -> None:
    assert named_size("nameless", count).text == spoken


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("fp32", 32),
        ("bf16", 16),
        ("fp8-block", 8),
        ("int4-g128", 4),
        ("gptq-int3-g128", 3),
        ("mxfp4", 4),
        ("q5_k", 5),
        ("iq2_xxs", 2),
        ("q8_0", 8),
        ("", 16),
        ("unknown", 16),
    ],
)
def test_nominal_bits(name: str, bits: int) -> None:
    assert nominal_bits(name) == bits


def test_words() -> None:
    assert percent(0.0) == percent(-0.0001) == "±0.0 %"
    assert percent(-0.334) == "−33.4 %"
    assert percent(23.89) == "+2,389 % (24.9 times too large)"
    assert off(0.5) == "2 times too small"
    assert off(0.99) == "1.0 % too small"
    assert off(2.0) == "2 times too large"
