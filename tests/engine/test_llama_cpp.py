"""llama.cpp through the front door: defaults, flags, fit, advice, refusals."""

from __future__ import annotations

import pytest

import weighbridge as wb
from weighbridge.engine import parse_engine
from weighbridge.engine.llama_cpp.allocator import Arena, Replay, Tensor
from weighbridge.engine.llama_cpp.names import gguf_name, layer_name
from weighbridge.engine.llama_cpp.patterns import read_patterns, target_of
from weighbridge.errors import EngineError, InputError, RequestError
from weighbridge.planner import Plan
from weighbridge.units import GIB, MIB

QWEN = {"engine": "llama.cpp", "weights": "q4_k_m", "on": "rtx-4090"}


def plan(model: str = "qwen3-30b-a3b", **options: object) -> Plan:
    return wb.plan(model, **{**QWEN, **options})


def total(found: Plan, name: str) -> int:
    assert found.host is not None
    return sum(t.bytes for d in (*found.devices, found.host) for t in d.terms if t.name == name)


def test_a_line_that_a_user_knows() -> None:
    found = plan(
        ctx_size=32768, n_gpu_layers="99", flash_attn="on", cache_type_k="q8_0",
        cache_type_v="q8_0",
    )  # fmt: skip
    assert found.fits
    assert found.capacity.tokens == 32768
    assert "load_tensors: offloaded 49/49 layers to GPU" in found.log
    assert any(line.endswith("CUDA0 KV buffer size =  1632.00 MiB") for line in found.log)
    assert found.term("kv_cache") == 48 * 32768 * 2 * 512 * 34 // 32


@pytest.mark.parametrize(
    ("text", "version"),
    [("llama.cpp==b7079", (0, 0, 7079)), ("llama.cpp==7079", (0, 0, 7079)),
     ("llama.cpp==0.5.0", (0, 5, 0)), ("llama.cpp", (0, 5, 0))],
)  # fmt: skip
def test_builds_and_versions_are_read(text: str, version: tuple[int, int, int]) -> None:
    assert parse_engine(text).version == version


def test_a_build_is_written_as_it_is_named() -> None:
    assert str(parse_engine("llama.cpp==b7079")) == "llama.cpp==b7079"
    with pytest.raises(EngineError, match="cannot be read"):
        parse_engine("llama.cpp==bnew")


def test_builds_before_the_sliding_cache_keep_every_token() -> None:
    old = plan("gemma-3-27b-it", engine="llama.cpp==b5200", ctx_size=32768, n_gpu_layers="99")
    new = plan("gemma-3-27b-it", ctx_size=32768, n_gpu_layers="99", max_num_seqs=1)
    assert total(old, "kv_cache") == 15872 * MIB
    assert total(new, "kv_cache") < 4 * GIB


def test_quantized_values_need_flash_attention() -> None:
    with pytest.raises(RequestError, match="requires Flash Attention"):
        plan(cache_type_v="q8_0", flash_attn="off")


@pytest.mark.parametrize(
    "options",
    [{"n_gpu_layers": "some"}, {"tensor_split": "a,b"}, {"split_mode": "tensor"},
     {"weights": "gptq-int4"}, {"cache_type_k": "fp8"}, {"main_gpu": 3},
     {"override_tensor": "exps"}, {"override_tensor": "exps=CUDA7"},
     {"override_tensor": "(a+)+=CPU"}],
    ids=str,
)  # fmt: skip
def test_what_llama_cpp_would_not_take_is_one_sentence(options: dict[str, object]) -> None:
    with pytest.raises(InputError) as caught:
        plan(**{"ctx_size": 4096, **options})
    assert "\n" not in str(caught.value)


def test_fit_shortens_the_context_and_moves_experts_but_leaves_what_was_said() -> None:
    alone = plan("qwen3-30b-a3b", on="24GiB", weights="q6_k")
    assert alone.capacity.tokens == 4096
    assert sum("--fit" in note for note in alone.assumptions) == 2
    assert alone.devices[0].total + 1024 * MIB <= 24 * GIB + 400 * MIB
    said = plan(on="rtx-4090", ctx_size=40960, n_gpu_layers="99", fit="off")
    assert said.capacity.tokens == 40960


def test_experts_in_host_memory_leave_the_device_and_come_back_one_at_a_time() -> None:
    both = {"ctx_size": 8192, "n_gpu_layers": "99"}
    whole, moved = plan(**both), plan(**both, n_cpu_moe=48)
    assert total(whole, "weights") == total(moved, "weights")
    assert moved.term("weights") < whole.term("weights") // 10
    assert moved.term("activations") > whole.term("activations")
    pattern = plan(**both, override_tensor=r"ffn_(up|down|gate)_exps=CPU")
    assert pattern.term("weights") == moved.term("weights")


def test_tied_embeddings_are_held_twice_when_offloaded() -> None:
    found = wb.plan("llama-3.2-1b", engine="llama.cpp", weights="fp16", ctx_size=4096)
    assert found.term("weights") == 2471764096 - 128
    assert found.host is not None
    assert {t.name: t.bytes for t in found.host.terms}["weights"] == 525336576


def test_advice_is_tried() -> None:
    found = plan("llama-3.1-70b", ctx_size=8192, n_gpu_layers="99", fit="off")
    assert found.fits is False
    ways = {remedy.option: remedy.value for remedy in found.verdict.remedies}
    layers = int(ways["-ngl"])
    assert plan("llama-3.1-70b", ctx_size=8192, n_gpu_layers=str(layers), fit="off").fits
    assert not plan("llama-3.1-70b", ctx_size=8192, n_gpu_layers=str(layers + 1), fit="off").fits


def test_layers_are_shared_by_the_devices_shares() -> None:
    found = plan(on="2xrtx-4090", ctx_size=4096, n_gpu_layers="99", tensor_split="3,1")
    first, second = (d.total for d in found.devices)
    assert first > 2 * second
    none = plan(on="2xrtx-4090", ctx_size=4096, n_gpu_layers="99", split_mode="none")
    assert {t.name for t in none.devices[1].terms if t.bytes} <= {"context"}


def test_slots_have_caches_of_their_own_unless_shared() -> None:
    own = plan(ctx_size=4000, max_num_seqs=3, n_gpu_layers="99")
    shared = plan(ctx_size=4000, max_num_seqs=3, n_gpu_layers="99", kv_unified=True)
    assert (own.capacity.tokens, shared.capacity.tokens) == (4608, 4096)


def test_states_are_kept_for_every_slot() -> None:
    one = plan("granite-4.0-h-tiny", ctx_size=8192, max_num_seqs=1)
    four = plan("granite-4.0-h-tiny", ctx_size=8192, max_num_seqs=4)
    assert 4 * total(one, "state") == total(four, "state")


def test_a_sweep_and_single_points_agree() -> None:
    pytest.importorskip("numpy")
    from weighbridge.request import make_request
    from weighbridge.search.sweep import sweep

    request = make_request("qwen3-0.6b", {"engine": "llama.cpp", "fit": "off"})
    found = sweep(request, [2048, 4096], [1, 2])
    alone = wb.plan("qwen3-0.6b", engine="llama.cpp", fit="off", max_model_len=2048, concurrency=2)
    assert found.totals[0][1] == alone.total


def test_the_allocator_takes_the_best_hole_and_joins_neighbours() -> None:
    arena = Arena(32)
    places = [arena.take(64), arena.take(32), arena.take(96), arena.take(10)]
    assert places == [0, 64, 96, 192]
    arena.give_back(0, 64)
    arena.give_back(96, 96)
    assert arena.take(60) == 0
    arena.give_back(64, 32)
    assert arena.take(120) == 64
    assert arena.highest == 224


def test_an_operation_may_take_its_last_operands_place_but_not_a_views() -> None:
    a = Tensor("a", (8,), 32, 0)
    a.input = True
    b = Tensor("b", (8,), 32, 0, (a,), overwrites=True)
    view = Tensor("view", (8,), 32, 0, (b,), root=b)
    c = Tensor("c", (8,), 32, 0, (view,), overwrites=True)
    assert Replay([32]).run([a], [b, view, c]) == [64]


def test_patterns_take_the_first_match() -> None:
    found = read_patterns(r"blk\.(1|2)\.ffn_.*_exps=CUDA0,exps=CPU")
    assert target_of("blk.1.ffn_up_exps.weight", found) == "CUDA0"
    assert target_of("blk.3.ffn_up_exps.weight", found) == "CPU"
    assert target_of("output.weight", found) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [("self_attn.q_proj.weight", "attn_q.weight"),
     ("mlp.experts.{expert}.down_proj.weight", "ffn_down_exps.weight"),
     ("mlp.shared_experts.up_proj.weight", "ffn_up_shexp.weight"),
     ("self_attn.kv_a_proj_with_mqa.weight", "attn_kv_a_mqa.weight"),
     ("model.embed_tokens.weight", "token_embd.weight"), ("lm_head.weight", "output.weight")],
)  # fmt: skip
def test_names_of_tensors(name: str, expected: str) -> None:
    assert gguf_name(name) == expected
    assert layer_name(3, "input_layernorm.weight") == "blk.3.attn_norm.weight"


@pytest.mark.parametrize(
    ("version", "model", "cache_mib"),
    [("0.9.6", "qwen2.5-1.5b-instruct", 224), ("0.3.6", "qwen2-7b", 448),
     ("0.3.6", "mistral-7b-instruct-v0.3", 1024), ("0.9.6", "meta-llama-3-8b", 1024)],
)  # fmt: skip
def test_ollama_logs_of_8192_cells(version: str, model: str, cache_mib: int) -> None:
    """kv of ollama's own ``offload`` lines (2024-08 to 2025-07), num_ctx × parallel = 8,192."""
    found = wb.plan(
        model, engine=f"ollama=={version}", weights="q4_0", max_model_len=2048, max_num_seqs=4,
        num_gpu=99,
    )  # fmt: skip
    assert total(found, "kv_cache") == cache_mib * MIB


def test_ollama_puts_as_many_layers_on_the_card_as_leave_its_margin() -> None:
    found = wb.plan("llama-3.1-70b", engine="ollama", weights="q4_k_m", on="rtx-4090")
    assert found.fits
    assert found.host is not None
    assert found.devices[0].total + 1024 * MIB <= 24 * GIB
    assert total(found, "weights") > 39 * GIB
