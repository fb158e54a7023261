"""The numbers that articles print come out of the rules, and ours beside them."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest

from weighbridge.planner import Plan, plan_request
from weighbridge.request import make_request
from weighbridge.rules import RuleResult, rules_for
from weighbridge.units import GB, GIB


@cache
def planned(model: str, **options: Any) -> Plan:
    return plan_request(make_request(model, options))


def ask(rule: str, model: str, **options: Any) -> RuleResult:
    found = {result.id: result for result in rules_for(planned(model, **options))}
    return found[rule]


FIGURES = (
    ("marketing-size", "7B", "fp16", 14 * GB),
    ("marketing-size", "7B", "int8", 7 * GB),
    ("marketing-size", "7B", "nf4", 3_500_000_000),
    ("marketing-size", "llama-2-7b", "fp16", 14 * GB),
    ("parameters-bytes", "llama-2-7b", "fp16", 13_476_831_232),
    ("model-x1.2", "7B", "fp16", 16_800_000_000),
    ("serving", "7B", "fp16", 16_800_000_000),
    ("serving", "llama-2-7b", "fp16", 16_800_000_000),
    ("serving", "llama-2-70b", "fp16", 168 * GB),
    ("serving", "llama-2-70b", "nf4", 42 * GB),
    ("serving-multiplied", "7B", "fp16", 33_600_000_000),
    ("serving-multiplied", "llama-2-7b", "fp16", 33_600_000_000),
    ("serving-multiplied", "7B", "nf4", 33_600_000_000),
    ("serving-multiplied-literally", "7B", "fp16", 67_200_000_000),
    ("serving-multiplied-literally", "7B", "int8", 134_400_000_000),
    ("twice-the-weights", "7B", "fp16", 28 * GB),
    ("flat-1gb", "7B", "fp16", GB),
    ("training-x8", "7B", "fp16", 224 * GB),
)


@pytest.mark.parametrize(
    ("rule", "model", "weights", "size"), FIGURES, ids=[f"{r}-{m}-{w}" for r, m, w, _ in FIGURES]
)
def test_a_rule_says_what_articles_print(rule: str, model: str, weights: str, size: int) -> None:
    result = ask(rule, model, context=2048, weights=weights)
    assert (result.bytes, result.low, result.high) == (size, size, size)


def test_the_size_in_the_name_is_given_in_16_8_and_4_bit() -> None:
    inputs = ask("marketing-size", "7B", weights="fp32").inputs
    assert [inputs[f"in {bits} bit"] for bits in (16, 8, 4)] == [14 * GB, 7 * GB, 3.5 * GB]


def test_misprint_and_formula_are_named_beside_each_other() -> None:
    said = " ".join(ask("serving-multiplied", "llama-2-7b", context=2048, weights="fp16").here)
    assert "16.80 GB" in said
    assert "67.20 GB" in said


def test_cache_without_layers_is_one_layer_of_32() -> None:
    result = ask("cache-without-layers", "llama-7b", context=2048, weights="fp16")
    assert result.bytes == 33_554_432
    assert result.ours.bytes == 1_073_741_824 == GIB
    assert result.error == pytest.approx(1 / 32 - 1)
    assert "32 times too small" in result.here[0]


def test_kv_formula_is_exact_under_full_attention() -> None:
    for model in ("llama-2-7b", "llama-3.1-8b", "qwen3-30b-a3b", "gpt-3-175B"):
        assert ask("cache-kv-heads", model, context=4096).error == 0.0


@pytest.mark.parametrize(
    ("model", "ratio"), [("llama-3.1-8b", 4), ("llama-2-7b", 1), ("qwen3-30b-a3b", 8)]
)
def test_all_heads_are_heads_by_kv_heads_too_large(model: str, ratio: int) -> None:
    result = ask("cache-all-heads", model, context=8192)
    assert result.bytes == ratio * result.ours.bytes
    assert result.error == pytest.approx(ratio - 1)
    assert any(f"{ratio} times" in sentence for sentence in result.here) is (ratio > 1)


def test_half_a_megabyte_is_for_models_of_that_size() -> None:
    llama = ask("cache-half-mb", "llama-2-7b", context=2048)
    assert llama.bytes == 1_024_000_000
    assert llama.error == pytest.approx(500_000 / 524_288 - 1)
    shared = ask("cache-half-mb", "llama-3.1-8b", context=8192)
    assert shared.error == pytest.approx(500_000 / 131_072 - 1)
    large = ask("cache-half-mb", "llama-2-70b", context=2048)
    assert not large.applies
    assert "7B" in large.why_not


def test_latent_attention_at_131072_tokens() -> None:
    result = ask("cache-all-heads", "deepseek-v3", context="128K")
    assert result.bytes == pytest.approx(213.5 * GIB)
    assert result.ours.bytes == 61 * 576 * 2 * 131_072
    assert result.error == pytest.approx(14_336 / 576 - 1)
    assert any("512 + 64 = 576" in s and "24.9 times" in s for s in result.here)


def test_latent_that_an_engine_expands_is_said_to_be() -> None:
    result = ask("cache-all-heads", "deepseek-v3", context=1024, engine="transformers==4.51.0")
    assert result.ours.bytes == 61 * 40_960 * 2 * 1024
    assert result.error == pytest.approx(14_336 / 40_960 - 1)
    assert any("keeps 40,960 elements" in sentence for sentence in result.here)
    whole = ask("cache-without-layers", "deepseek-v3", context=1024, engine="transformers==4.51.0")
    assert any("a layer here keeps 40,960" in sentence for sentence in whole.here)


def test_sliding_windows() -> None:
    long = ask("cache-kv-heads", "gemma-3-27b", context="128K")
    assert long.bytes == 62 * GIB
    assert long.ours.bytes == 16 * 2 * 128 * 2 * (10 * 131_072 + 52 * 1_024)
    assert long.error == pytest.approx(62 * 131_072 / (10 * 131_072 + 52 * 1_024) - 1)
    assert any("52 of 62 layers" in sentence and "0.8 %" in sentence for sentence in long.here)
    short = ask("cache-kv-heads", "gemma-3-27b", context=512)
    assert short.error == 0.0
    assert any("not full yet" in sentence for sentence in short.here)


def test_windows_that_an_engine_keeps_whole() -> None:
    bounded = ask("cache-kv-heads", "mistral-7b-v0.1", context=8192)
    assert bounded.error == pytest.approx(1.0)
    whole = ask("cache-kv-heads", "mistral-7b-v0.1", context=8192, engine="transformers==4.51.0")
    assert whole.error == 0.0
    assert any("keeps all 8,192 of them" in sentence for sentence in whole.here)


def test_quantized_weights_have_scales_and_16_bit_remnants() -> None:
    result = ask("parameters-bytes", "llama-3.1-8b", weights="nf4")
    assert result.bytes == 8_030_261_248 // 2
    assert result.error == pytest.approx(-0.334, abs=0.001)
    said = " ".join(result.here)
    assert "4.5 where it is used" in said
    assert "1.05B parameters (13.1 %) stay in 16 bit" in said


def test_mixture_of_experts_is_held_whole() -> None:
    said = " ".join(ask("parameters-bytes", "qwen3-30b-a3b").here)
    assert re.search(r"all 30\.53B parameters are held though a token passes through 3\.35B", said)
    assert "9.11 times too small" in said


def test_experts_in_a_name_are_multiplied_out() -> None:
    result = ask("marketing-size", "mixtral-8x7b-v0.1")
    assert result.inputs["billions"] == 56
    assert any("the experts share" in sentence for sentence in result.here)


def test_tied_head_is_counted_once() -> None:
    assert any("held once" in s for s in ask("parameters-bytes", "llama-3.2-1b").here)
    assert not any("held once" in s for s in ask("parameters-bytes", "llama-3.1-8b").here)


def test_ranges_say_whether_ours_lies_inside() -> None:
    context = ask("cuda-context", "llama-2-7b", context=2048)
    assert (context.low, context.high, context.bytes) == (300_000_000, 2 * GB, None)
    assert context.inside is True
    assert context.error == 0.0
    outside = ask("weights-x1.2-1.5-cache", "llama-2-70b", context=2048)
    assert outside.inside is False
    assert outside.error == outside.error_low
    assert outside.error is not None
    assert outside.error > 0
    below = ask("weights-x1.2-1.5-cache", "bert-base-uncased")
    assert below.error == below.error_high
    assert below.error is not None
    assert below.error < 0


def test_training_is_compared_with_16_bytes_a_parameter() -> None:
    result = ask("training-x3-4", "llama-2-7b")
    assert result.ours.terms == ()
    assert result.ours.bytes == 16 * 6_738_415_616 == result.high
    assert result.inside is True
    assert "activations apart" in result.source
    assert ask("training-x8", "llama-2-7b").error == pytest.approx(1.0)


def test_overheads_count_devices() -> None:
    assert ask("flat-1gb", "llama-2-7b", on="2xH100").bytes == 2 * GB
    assert ask("cuda-context", "llama-2-7b", on="2xH100").high == 4 * GB


def test_no_cuda_context_where_there_is_no_cuda() -> None:
    result = ask("cuda-context", "llama-2-7b", on="m3-max-40")
    assert not result.applies
    assert "no CUDA context" in result.why_not


def test_concurrency_multiplies_the_cache() -> None:
    one, many = (
        ask("cache-all-heads", "llama-3.1-8b", context=1024, concurrency=n) for n in (1, 16)
    )
    assert one.bytes is not None
    assert many.bytes == 16 * one.bytes
    assert many.error == one.error


def test_tokens_are_those_of_the_peak() -> None:
    result = ask("cache-kv-heads", "llama-3.1-8b", input_tokens=100, output_tokens=4000)
    assert result.inputs["tokens"] == 4099
    assert result.error == 0.0
