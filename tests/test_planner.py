"""Plans: figures that others published, properties that must hold, and their parts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import weighbridge as wb
from weighbridge.errors import InputError, RequestError
from weighbridge.formats import find_format
from weighbridge.formats.bitsandbytes import NAMES as PACKED
from weighbridge.model import catalog
from weighbridge.request import make_request, settle_tokens

NAMES = [row.id for row in catalog.rows()]
SOME = ["llama-3.1-8b", "gemma-3-27b", "deepseek-v3", "qwen3-30b-a3b", "gpt-oss-20b", "gpt2",
        "mixtral", "phi-4", "bge-base-en-v1.5", "7B"]  # fmt: skip

# Published or executed by others: what the cache of one sequence of that length takes in 16 bit.
CACHES = [
    ("deepseek-v3", 131_072, 9_210_691_584),
    ("kimi-k2", 131_072, 9_210_691_584),
    ("gemma-3-27b", 131_072, 11_173_625_856),
    ("gpt-oss-120b", 131_072, 4_836_556_800),
    ("qwen3-30b-a3b", 40_960, 4_026_531_840),
    ("llama-3.1-8b", 131_072, 17_179_869_184),
    ("gemma-2-27b", 8_192, 2_315_255_808),
    ("mistral-7b-v0.1", 32_768, 536_870_912),
]


@pytest.mark.parametrize(("name", "tokens", "size"), CACHES, ids=[c[0] for c in CACHES])
def test_cache_of_a_sequence(name: str, tokens: int, size: int) -> None:
    plan = wb.plan(name, context=tokens)
    assert plan.cache.bytes_per_sequence == size
    assert plan.term("kv_cache") == size


def test_weights_are_exact() -> None:
    assert wb.plan("llama-3.1-8b", weights="bf16").term("weights") == 16_060_522_496
    assert wb.plan("qwen2.5-7b-instruct", weights="awq").term("weights") == 5_570_747_392
    # the files of these two checkpoints, as the hub lists them
    assert wb.plan("gpt-oss-120b").term("weights") == 65_248_815_744
    assert wb.plan("gpt-oss-20b").term("weights") == 13_761_264_768


# Their quantization differs from layer to layer in a file that config.json does not carry.
MIXED = {"nvidia/Qwen3.6-27B-NVFP4", "nvidia/Qwen3.6-35B-A3B-NVFP4"}


@pytest.mark.parametrize("name", NAMES)
def test_every_model_of_the_catalogue_can_be_planned(name: str) -> None:
    options = {"weights": "nvfp4"} if name in MIXED else {}
    if name in MIXED:
        with pytest.raises(InputError, match="name the format with --weights"):
            wb.plan(name)
    plan = wb.plan(name, context=512, on="h100", **options)
    assert plan.total > 0
    for device in plan.devices:
        assert device.total == sum(term.bytes for term in device.terms)
        assert device.low <= device.total <= device.high
        for terms in device.phases.values():
            assert all(0 <= t.low <= t.bytes <= t.high for t in terms)
    assert json.loads(json.dumps(plan.to_dict()))["model"]["id"] == name


@given(
    name=st.sampled_from(SOME),
    context=st.integers(1, 20_000),
    more=st.integers(0, 20_000),
    batch=st.integers(1, 64),
    extra=st.integers(0, 64),
)
@settings(max_examples=60, deadline=None)
def test_more_tokens_or_sequences_never_take_less(
    name: str, context: int, more: int, batch: int, extra: int
) -> None:
    small = wb.plan(name, context=context, concurrency=batch)
    assert small.total <= wb.plan(name, context=context + more, concurrency=batch).total
    assert small.total <= wb.plan(name, context=context, concurrency=batch + extra).total


LINEAR = [find_format(name) for name in ("fp32", "bf16", "fp16", "fp8", "fp8-block", "int8", "nf4",
          "nf4-dq", "int4-g128", "int4-g32", "gptq-int8", "gptq-int4", "nvfp4")]  # fmt: skip


@given(name=st.sampled_from(SOME), formats=st.tuples(*[st.sampled_from(LINEAR)] * 2))
@settings(max_examples=60, deadline=None)
def test_more_bits_never_take_less(name: str, formats: tuple[object, object]) -> None:
    less, more = sorted(formats, key=lambda each: each.bits_per_weight)  # type: ignore[attr-defined]
    close = less.bits_per_weight * 1.15 > more.bits_per_weight  # type: ignore[attr-defined]
    if (less.name in PACKED) != (more.name in PACKED):
        return  # bitsandbytes leaves experts in 16 bit, which others do not
    if close or less.touches != more.touches or less.rest_bits != more.rest_bits:  # type: ignore[attr-defined]
        return
    small, large = (
        wb.plan(name, weights=each.name).term("weights")  # type: ignore[attr-defined]
        for each in (less, more)
    )
    assert small <= large


@given(name=st.sampled_from(SOME), count=st.integers(1, 8), context=st.integers(16, 4096))
@settings(max_examples=40, deadline=None)
def test_spread_over_cards_the_parts_make_the_whole(name: str, count: int, context: int) -> None:
    alone = wb.plan(name, context=context, on="mi300x")
    spread = wb.plan(name, context=context, on=f"{count}xmi300x")
    assert spread.term("weights") == alone.term("weights")
    for phase in alone.devices[0].phases:
        for kind in ("kv_cache",):
            parts = sum(t.bytes for d in spread.devices for t in d.phases[phase] if t.name == kind)
            whole = sum(t.bytes for t in alone.devices[0].phases[phase] if t.name == kind)
            assert parts == whole


def test_eager_grows_with_the_square_and_sdpa_does_not() -> None:
    def activations(kernel: str, context: int) -> int:
        return wb.plan("llama-3.1-8b", context=context, attn_implementation=kernel).term(
            "activations"
        )

    assert activations("eager", 8192) > 3.5 * activations("eager", 4096)
    for kernel in ("sdpa", "flash_attention_2"):
        assert activations(kernel, 8192) == 2 * activations(kernel, 4096)


def test_logits_changed_between_versions() -> None:
    def logits(version: str) -> int:
        plan = wb.plan("llama-3.1-8b", engine=f"transformers=={version}", input_tokens=8000,
                       output_tokens=8)  # fmt: skip
        return max(t.bytes for t in plan.devices[0].phases["prefill"] if t.name == "logits")

    assert logits("4.44.2") == 8000 * 128_256 * (2 + 4)
    assert logits("4.45.0") < 10**6


def test_position_tables_of_old_versions() -> None:
    def tables(version: str) -> int:
        plan = wb.plan("qwen2-7b-instruct", engine=f"transformers=={version}", context=100)
        return sum(t.bytes for t in plan.terms if "cosines" in t.formula)

    assert tables("4.44.2") == 28 * 32768 * 2 * 128 * 2
    assert tables("4.45.0") == 0


def test_static_and_offloaded_caches() -> None:
    def held(kind: str) -> int:
        plan = wb.plan(
            "llama-3.1-8b", input_tokens=1000, output_tokens=3000, cache_implementation=kind
        )
        return sum(t.bytes for t in plan.devices[0].phases["decode"] if t.name == "kv_cache")

    assert held("static") == 3999 * 131_072
    assert held("offloaded") == held("static") * 2 // 32


def test_latent_attention_was_expanded_before_it_was_not() -> None:
    old = wb.plan("deepseek-v3", context=4096, engine="transformers==4.57.0")
    new = wb.plan("deepseek-v3", context=4096)
    assert old.cache.bytes_per_token == 61 * 128 * (192 + 128) * 2
    assert new.cache.bytes_per_token == 61 * 576 * 2


def test_context_input_and_output_settle() -> None:
    def settled(**options: int) -> tuple[int, int]:
        tokens = settle_tokens(make_request("x", options), 131_072, generates=True)
        return tokens.prompt, tokens.output

    assert settled() == (8192, 1)
    assert settled(context=4096) == (4096, 1)
    assert settled(context=4096, output_tokens=96) == (4000, 96)
    assert settled(context=4096, input_tokens=96) == (96, 4000)
    assert settled(input_tokens=7, output_tokens=5) == (7, 5)
    assert settled(input_tokens=7) == (7, 1)
    with pytest.raises(RequestError, match="more than"):
        settled(context=10, input_tokens=8, output_tokens=8)


def test_options_are_checked_by_name() -> None:
    with pytest.raises(RequestError, match="did you mean"):
        wb.plan("gpt2", contxt=5)
    with pytest.raises(RequestError, match="both given"):
        wb.plan("gpt2", context=5, max_model_len=6)
    with pytest.raises(InputError):
        wb.plan("gpt2", context=-1)
    with pytest.raises(InputError):
        wb.plan("gpt2", weights=16)
    with pytest.raises(RequestError, match="text"):
        wb.plan("gpt2", on=5)


def test_a_size_is_assumed_and_says_so() -> None:
    plan = wb.plan("gpt-3-175B", context=2048)
    assert plan.basis == "assumed"
    assert plan.model.parameters == 175_000_000_000
    assert len(plan.model.layers) == 96
    assert "assumed" in " ".join(plan.assumptions)
    assert plan.low < plan.total < plan.high
    assert wb.plan("7B").term("weights") == 14_000_000_000


def test_a_misspelt_name_is_no_size() -> None:
    with pytest.raises(InputError, match="did you mean"):
        wb.plan("lama-3.1-8b")


def test_remedies_name_the_binding_option() -> None:
    plan = wb.plan("llama-3.1-8b", on="rtx-4090", context=131_072)
    options = {remedy.option for remedy in plan.verdict.remedies}
    assert "--context" in options
    best = next(r for r in plan.verdict.remedies if r.option == "--context")
    assert wb.plan("llama-3.1-8b", on="rtx-4090", context=int(best.value)).fits
    assert not wb.plan("llama-3.1-8b", on="rtx-4090", context=int(best.value) + 1).fits


def test_minilm_is_read_from_its_own_header(minilm_folder: Path) -> None:
    plan = wb.plan(minilm_folder, on="t4", context=256, concurrency=32)
    weights = next(term for term in plan.terms if term.name == "weights")
    assert weights.basis == "header"
    assert weights.bytes == 90_856_960
    assert plan.model.parameters == 22_713_216
    assert plan.term("kv_cache") == 0
    assert plan.settings["weights"] == "fp32"
    half = wb.plan(minilm_folder, weights="fp16").term("weights")
    assert half == 2 * 22_713_216


def test_what_a_plan_shows_in_a_notebook() -> None:
    plan = wb.plan("llama-3.1-8b", on="rtx-4090")
    assert "<svg" in plan._repr_html_()
    assert "|" in plan._repr_markdown_()
    assert str(plan).startswith("✓ fits")
    assert plan.terms
    assert plan.fits is True


def test_public_names_resolve_lazily() -> None:
    program = (
        "import sys, weighbridge as wb\n"
        "assert not any(n.startswith('weighbridge.model') for n in sys.modules)\n"
        "import weighbridge.planner, weighbridge.rules\n"
        "assert callable(wb.plan) and callable(wb.sweep) and callable(wb.find_card)\n"
        "assert set(wb.__all__) <= set(dir(wb))\n"
        "[getattr(wb, name) for name in wb.__all__]"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_every_field_of_a_request_has_its_row() -> None:
    from weighbridge import request

    assert [option.name for option in request.DEPLOYMENT] == [
        name for name in request.Deployment._fields if name != "own"
    ]
    assert [option.name for option in request.WORKLOAD] == [*request.Workload._fields]
    assert set(request.ALIASES.values()) <= {
        *request.Deployment._fields,
        *request.Workload._fields,
    }


def test_a_quantized_checkpoint_keeps_its_own_bytes_when_its_format_is_named(
    tmp_path: Path,
) -> None:
    from hostile.headers import one

    config = {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 64,
        "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 128,
        "vocab_size": 100, "quantization_config": {"quant_method": "awq", "bits": 4,
                                                   "group_size": 128},
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(one())
    named = wb.plan(tmp_path, weights="awq")
    assert named.term("weights") == wb.plan(tmp_path).term("weights")
    assert next(t for t in named.terms if t.name == "weights").basis == "header"
