"""TensorRT-LLM's planner against its own arithmetic, published logs and its refusals."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np
import pytest

import weighbridge as wb
from weighbridge.engine import Question, parse_engine, spend
from weighbridge.engine.tensorrt_llm.pool import Group, size_pool
from weighbridge.engine.tensorrt_llm.setup import set_up
from weighbridge.errors import EngineError, RequestError, WeighbridgeError
from weighbridge.hardware.machine import parse_machine
from weighbridge.measure.accuracy import tensorrt_llm as accuracy
from weighbridge.model.load import load_model
from weighbridge.request import Tokens, make_request
from weighbridge.units import GIB


def question(model: str, prompt: Any = None, many: Any = 1, **options: Any) -> Question:
    request = make_request(model, {"engine": "tensorrt-llm", **options})
    machine = parse_machine(request.deployment.on) if request.deployment.on else None
    facts = load_model(model)
    tokens = Tokens(prompt if prompt is not None else facts.max_positions or 8192, 1)
    engine = parse_engine(request.deployment.engine)
    return Question(facts, engine, request.deployment, tokens, many,
                    machine.devices if machine else ())  # fmt: skip


def held(found: Any, name: str, device: int = 0) -> int:
    return sum(term.bytes for term in found.devices[device].resident if term.name == name)


def test_laws_reproduce_what_tensorrt_llm_logged() -> None:
    results = [accuracy.predict(row) for row in accuracy.rows() if accuracy.is_law(row)]
    assert len(results) >= 11
    assert not [(r.row["id"], r.row["measured"], r.predicted) for r in results if not r.exact]


def test_figures_with_fitted_constants_stay_near_on_the_reported_rows() -> None:
    sizes = {"weights": 0.05, "kv": 0.04, "tokens": 0.04, "available": 0.1, "activations": 0.2}
    errors = []
    for row in accuracy.rows():
        if row["use"] == "report" and row["quantity"] in sizes and not accuracy.is_law(row):
            errors.append(abs(accuracy.predict(row).error))
            assert errors[-1] < sizes[row["quantity"]], row["id"]
    assert len(errors) >= 6
    assert statistics.median(errors) < 0.05


def test_the_cache_is_a_share_of_what_is_free_after_the_profiling_run() -> None:
    found = spend(question("llama-3.1-70b", on="4xh100", tensor_parallel_size=4))
    terms = found.devices[0].resident
    cache = held(found, "kv_cache")
    card = parse_machine("4xh100").devices[0]
    taken = sum(term.bytes for term in terms) - cache
    step = found.devices[0].phases["prefill"][0].bytes
    assert cache == pytest.approx(0.9 * (card.usable_bytes - taken - step), abs=32 * 81920)
    assert found.capacity.tokens == cache // 81920


def test_defaults_by_version() -> None:
    new, old = (set_up(question("llama-3.1-8b", engine=name, on="h100"))
                for name in ("tensorrt-llm", "tensorrt-llm==0.12.0"))  # fmt: skip
    assert (new.backend, new.block, new.batch, new.step) == ("pytorch", 32, 2048, 8192)
    assert (old.backend, old.block, old.batch, old.graphs) == ("tensorrt", 64, 256, ())
    assert (len(new.graphs), new.graphs[-1], new.fraction) == (19, 128, 0.9)


def test_windows_share_the_bytes_in_equal_parts() -> None:
    setup = set_up(question("gpt-oss-20b", on="h100"))
    groups = (Group(None, 1000, 12), Group(128, 500, 12))
    pool = size_pool(setup, 10_000_000, groups, 0)
    assert pool.each == (4_500_000 // 1000 // 32 * 32, 4_500_000 // 500 // 32 * 32)
    old = spend(question("gpt-oss-20b", on="h100", engine="tensorrt-llm==1.1.0"))
    new = spend(question("gpt-oss-20b", on="h100"))
    assert new.capacity.tokens == pytest.approx(old.capacity.tokens, rel=0.01)
    # A window's pool holds far more sequences than that of the full layers, which stays half.
    assert new.capacity.sequences == pytest.approx(old.capacity.sequences, rel=0.01)


def test_latent_caches_are_whole_on_every_rank_and_attention_dp_has_one_each() -> None:
    options = {"on": "8xh200", "tensor_parallel_size": 8, "kv_cache_dtype": "fp8"}
    shared = spend(question("deepseek-v3", **options))
    apart = spend(question("deepseek-v3", **options, enable_attention_dp=True))
    token = 61 * 576
    assert shared.cache.bytes_per_token == apart.cache.bytes_per_token == token
    assert shared.capacity.tokens == held(shared, "kv_cache") // token
    assert apart.capacity.tokens == 8 * (held(apart, "kv_cache") // token)
    assert held(apart, "weights") > held(shared, "weights")


def test_states_of_the_largest_batch_are_kept() -> None:
    found = spend(question("qwen3-next-80b-a3b-instruct", on="4xh100", tensor_parallel_size=4))
    fewer = spend(
        question(
            "qwen3-next-80b-a3b-instruct", on="4xh100", tensor_parallel_size=4, max_num_seqs=64
        )
    )
    assert held(found, "state") == 32 * held(fewer, "state")
    assert fewer.capacity.tokens > found.capacity.tokens


def test_pipeline_stages_agree_on_the_fewest_tokens() -> None:
    found = spend(question("qwen3-8b", on="2xh100", pipeline_parallel_size=2))
    assert held(found, "kv_cache", 0) == held(found, "kv_cache", 1)
    assert found.capacity.tokens == held(found, "kv_cache") // (18 * 2 * 8 * 128 * 2)


def test_tokens_and_bytes_may_be_named() -> None:
    few = spend(question("llama-3.1-8b", on="h100", max_tokens=1000))
    assert few.capacity.tokens == 1024
    small = spend(question("llama-3.1-8b", on="h100", kv_cache_memory="2GiB"))
    assert held(small, "kv_cache") == 2 * GIB


def test_the_log_has_the_lines_of_both_backends() -> None:
    plan = wb.plan("llama-3.1-8b", engine="tensorrt-llm", on="h100")
    text = "\n".join(plan.log)
    assert "kv size is 131072" in text
    assert f"for max tokens in paged KV cache ({plan.capacity.tokens})." in text
    old = "\n".join(wb.plan("llama-3.1-8b", engine="tensorrt-llm==0.17.0", on="h100").log)
    for line in ("Loaded engine size", "for execution context memory", "for decoder",
                 "Memory usage when calculating max tokens"):  # fmt: skip
        assert line in old


def test_a_context_beyond_the_pool_is_reduced_as_the_engine_does() -> None:
    plan = wb.plan("llama-3.1-8b", engine="tensorrt-llm", on="rtx-4090")
    assert plan.fits is False
    assert any("Reducing to" in line for line in plan.log)


def test_without_a_card_the_cache_is_what_the_work_needs() -> None:
    plan = wb.plan("llama-3.1-8b", engine="tensorrt-llm", max_model_len=4096, concurrency=3)
    assert plan.term("kv_cache") == 3 * 4096 * 131072
    assert plan.capacity.tokens is None
    assert not plan.log


def test_states_beyond_the_card_are_refused_with_the_batch_that_fits() -> None:
    given = {"engine": "tensorrt-llm", "on": "rtx-4090", "weights": "fp8", "max_model_len": 4096}
    plan = wb.plan("nemotron-nano-9b-v2", **given)
    assert plan.fits is False
    remedy = plan.verdict.remedies[0]
    assert remedy.option == "max_num_seqs"
    assert (
        wb.plan("nemotron-nano-9b-v2", max_num_seqs=int(remedy.value), **given).capacity.tokens > 0
    )


def test_a_step_beyond_the_card_is_refused_with_one_that_fits() -> None:
    given = {"engine": "tensorrt-llm", "on": "24GiB", "max_model_len": 512}
    plan = wb.plan("llama-3.1-8b", max_num_batched_tokens=131072, **given)
    assert plan.fits is False
    remedy = plan.verdict.remedies[0]
    assert remedy.option == "max_num_batched_tokens"
    assert wb.plan("llama-3.1-8b", max_num_batched_tokens=int(remedy.value), **given).log


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"on": "3xh100", "tensor_parallel_size": 3}, "divisible"),
        ({"on": "h100", "backend": "magic"}, "pytorch"),
        (
            {"on": "4xh100", "tensor_parallel_size": 4, "moe_expert_parallel_size": 3},
            "tensor ranks",
        ),
        ({"on": "h100", "gpu_memory_utilization": 1.2}, "gpu_memory_utilization|fraction"),
        ({"on": "h100", "kv_cache_dtype": "q8_0"}, "cache"),
        ({"on": "mi300x"}, "NVIDIA"),
    ],
)
def test_what_excludes_each_other_is_refused_in_one_sentence(
    options: dict[str, Any], said: str
) -> None:
    with pytest.raises(RequestError, match=said) as error:
        wb.plan("llama-3.1-8b", engine="tensorrt-llm", **options)
    assert "\n" not in str(error.value)


def test_old_versions_and_encoders_are_refused() -> None:
    with pytest.raises(EngineError, match="oldest"):
        wb.plan("llama-3.1-8b", engine="tensorrt-llm==0.5.0")
    with pytest.raises(WeighbridgeError, match="does not generate"):
        wb.plan("bert-base-uncased", engine="tensorrt-llm")


@pytest.mark.parametrize("model", ["llama-3.1-8b", "gpt-oss-20b", "qwen3-next-80b-a3b-instruct"])
@pytest.mark.parametrize("backend", ["pytorch", "tensorrt"])
def test_arrays_equal_single_questions(model: str, backend: str) -> None:
    options = {"on": "4xh100", "tensor_parallel_size": 4, "backend": backend}
    lengths, many = [1000, 4096, 9001], [1, 2, 3]
    every = spend(question(model, np.array(lengths), np.array(many), **options))
    for place, (length, count) in enumerate(zip(lengths, many, strict=True)):
        one = spend(question(model, length, count, **options))
        assert every.capacity.sequences[place] == pytest.approx(one.capacity.sequences)
        assert every.cache.bytes_per_sequence[place] == one.cache.bytes_per_sequence
        for phase in ("prefill", "decode"):
            pairs = zip(every.devices[0].phases[phase], one.devices[0].phases[phase], strict=True)
            for left, right in pairs:
                assert np.broadcast_to(left.bytes, 3)[place] == right.bytes
