"""vLLM's plans: published starts, refusals with what works, ranks, and lengths it finds itself."""

from __future__ import annotations

import statistics
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import weighbridge as wb
from weighbridge.engine import Question, parse_engine, spend
from weighbridge.errors import EngineError, RequestError
from weighbridge.hardware.cards import find_card
from weighbridge.measure.accuracy.vllm import counted, figures_of, modelled, rows, settled
from weighbridge.model.load import load_model
from weighbridge.planner import Plan, plan_request
from weighbridge.request import Deployment, Tokens, make_request

STARTS = [row for row in rows() if modelled(row)]
COUNTED = [
    row
    for row in STARTS
    if row["measured"].get("kv_gib", 0) > 0
    and {"kv_tokens", "kv_blocks", "max_concurrency"} & set(row["measured"])
    and not row.get("minimum_over_ranks")
]


def plan(model: str, **options: Any) -> Plan:
    return wb.plan(model, **{"engine": "vllm", "on": "h100", **options})


@pytest.mark.parametrize("row", COUNTED, ids=lambda row: row["id"])
def test_the_printed_integers_follow_from_the_printed_gib(row: dict[str, Any]) -> None:
    found = counted(row)
    assert found is not None
    assert found.exact, (found.tokens, found.concurrency)


def test_the_cache_of_starts_whose_settings_are_known() -> None:
    errors = [
        abs(figure.error)
        for row in STARTS
        if row["settings"] == "known"
        for figure in figures_of(row)
        if figure.quantity == "cache"
    ]
    assert len(errors) >= 10
    assert statistics.median(errors) <= 0.01
    assert sum(error <= 0.03 for error in errors) / len(errors) >= 0.9


@pytest.mark.parametrize(
    "row", [row for row in STARTS if "padding_layers" in row["measured"]], ids=lambda row: row["id"]
)
def test_the_padding_layers_are_those_printed(row: dict[str, Any]) -> None:
    assert [missing for missing, _ in settled(row).pool.padding] == [
        row["measured"]["padding_layers"]
    ]


@pytest.mark.parametrize(
    "row", [row for row in STARTS if "attn_block_size" in row["measured"]], ids=lambda r: r["id"]
)
def test_the_block_that_holds_a_state_is_the_one_printed(row: dict[str, Any]) -> None:
    assert settled(row).pool.attention_block == row["measured"]["attn_block_size"]


def test_every_truth_row_has_a_source_and_a_use() -> None:
    for row in rows():
        assert row["source"]
        assert row["use"] in {"fit", "report"}
    families = {row["family"]: row["use"] for row in rows()}
    assert all(families[row["family"]] == row["use"] for row in rows()), "split by family"


@settings(max_examples=25, deadline=None)
@given(
    model=st.sampled_from(
        ["llama-3.1-8b", "gemma-3-27b-it", "qwen3-next-80b-a3b-instruct", "deepseek-v2-lite",
         "gpt-oss-20b", "llama-3.1-70b", "falcon-h1-7b-base", "mistral-7b-v0.1"]
    ),
    card=st.sampled_from(["rtx-4090", "h100", "a100", "l4", "2xh100", "4xl40s"]),
    version=st.sampled_from(["0.9.2", "0.11.0", "0.21.0", "0.32.0", "0.33.0"]),
    kv_cache_dtype=st.sampled_from(["auto", "fp8"]),
    share=st.sampled_from([0.5, 0.9, 0.99]),
)  # fmt: skip
def test_what_a_refusal_names_works(
    model: str, card: str, version: str, kv_cache_dtype: str, share: float
) -> None:
    options = {
        "engine": f"vllm=={version}",
        "on": card,
        "kv_cache_dtype": kv_cache_dtype,
        "gpu_memory_utilization": share,
    }
    refused = plan_request(make_request(model, options))
    for remedy in refused.verdict.remedies:
        changed = {**options, remedy.option: remedy.value}
        assert plan_request(make_request(model, changed)).fits, (remedy, changed)


def test_a_refusal_speaks_as_vllm_does() -> None:
    short = plan("llama-3.1-8b", on="rtx-4090")
    assert "To serve at least one request with the model's max seq len (131072), (16.00 GiB KV" in (
        short.verdict.because
    )
    most = int(short.verdict.remedies[0].value)
    assert f"the estimated maximum model length is {most}." in short.verdict.because
    assert plan("llama-3.1-8b", on="rtx-4090", max_model_len=most).fits
    assert not plan("llama-3.1-8b", on="rtx-4090", max_model_len=most + 16).fits


def test_an_fp8_cache_on_an_a100_is_refused_and_auto_works() -> None:
    refused = plan("llama-3.1-8b", on="a100", kv_cache_dtype="fp8")
    assert refused.verdict.because.startswith("FP8 KV cache is not supported")
    assert refused.verdict.remedies[0][:2] == ("kv_cache_dtype", "auto")


def test_weights_beyond_the_card_are_refused_while_loading() -> None:
    refused = plan("llama-3.1-70b")
    assert "out of memory while loading" in refused.verdict.because
    assert not [line for line in refused.log if "KV cache size" in line]


def test_a_share_that_leaves_no_room_for_the_context_is_refused() -> None:
    refused = plan("llama-3.1-8b", gpu_memory_utilization=1.0)
    assert "is less than desired GPU memory utilization (1" in refused.verdict.because


def test_the_longest_context_is_found() -> None:
    found = plan("llama-3.1-8b", on="rtx-4090", max_model_len="auto")
    assert found.fits
    refused = plan("llama-3.1-8b", on="rtx-4090")
    assert found.tokens.cached == int(refused.verdict.remedies[0].value)
    assert any(line.startswith("Auto-fit max_model_len: reduced") for line in found.log)
    kept = plan(
        "llama-3.1-8b", on="rtx-4090", max_model_len="auto", input_tokens=1000, output_tokens=200
    )
    assert (kept.tokens.prompt, kept.tokens.output) == (1000, 200)
    whole = plan("llama-3.1-8b", max_model_len=-1)
    assert whole.tokens.cached == 131072
    with pytest.raises(RequestError, match="auto is vLLM's"):
        wb.plan("llama-3.1-8b", max_model_len="auto")


def test_the_lines_of_a_start() -> None:
    log = plan("llama-3.1-8b", engine="vllm==0.11.0", max_model_len=16000).log
    assert log[0] == "Model loading took 14.9888 GiB"
    assert log[-1].startswith("Maximum concurrency for 16,000 tokens per request: 26.")
    old = plan("llama-3.1-8b", engine="vllm==0.7.3", max_model_len=16000).log
    assert old[0].startswith("Loading model weights took")
    assert "# cuda blocks" in old[-2]


@pytest.mark.parametrize(
    ("model", "swap", "blocks"),
    [("opt-125m", 4, 7281), ("llama-3.1-8b", 4, 2048), ("phi-4", 4, 1310), ("phi-4", 6, 1966),
     ("llama-3.2-11b-vision", 4, 1638)],
)  # fmt: skip
def test_blocks_in_host_memory_are_those_of_published_logs(
    model: str, swap: int, blocks: int
) -> None:
    log = plan(model, engine="vllm==0.7.3", max_model_len=2048, swap_space=swap).log
    assert f"# CPU blocks: {blocks}" in log[-2]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_num_seqs": 512, "max_num_batched_tokens": 256}, "must be at least max_num_seqs"),
        ({"enable_chunked_prefill": False, "max_num_batched_tokens": 256, "max_model_len": 4096},
         "without chunked prefill"),
        ({"gpu_memory_utilization": 1.5}, "is not a share of a device"),
        ({"kv_cache_dtype": "q8_0"}, "vLLM cannot keep its cache in q8_0"),
        ({"quantization": "nothing"}, "is not one that vLLM has"),
        ({"on": "2xh100", "tp": 4}, "need 4 devices"),
    ],
)  # fmt: skip
def test_impossible_settings_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(RequestError, match=said):
        plan("llama-3.1-8b", **options)


def test_an_old_and_an_unreadable_version_are_refused() -> None:
    with pytest.raises(EngineError, match="older than what is modelled"):
        plan("llama-3.1-8b", engine="vllm==0.5.4")
    with pytest.raises(EngineError, match="cannot be read"):
        plan("llama-3.1-8b", engine="vllm==new")


def test_heads_that_do_not_divide_are_refused_with_what_fits() -> None:
    with pytest.raises(RequestError, match="use --tensor-parallel-size 2"):
        plan("llama-3.1-8b", on="4xh100", tensor_parallel_size=3)


def test_ranks_come_tensor_first_then_pipeline_then_data() -> None:
    found = plan("llama-3.1-8b", on="8xh100", tp=2, pp=2, dp=2, max_model_len=8192)
    weights = [sum(t.bytes for t in d.terms if t.name == "weights") for d in found.devices]
    assert len(weights) == 8
    assert [d.index for d in found.devices] == list(range(8))
    assert weights[0] == weights[1] == weights[4] != weights[2] == weights[3] == weights[6]


def test_replicas_add_up_and_experts_spread() -> None:
    one = plan("qwen3-30b-a3b", max_model_len=8192)
    two = plan("qwen3-30b-a3b", on="2xh100", dp=2, ep=True, max_model_len=8192)
    assert two.capacity.sequences > 2 * one.capacity.sequences
    assert two.term("weights") < 1.2 * one.term("weights")


def test_latent_caches_are_whole_on_each_rank_and_cut_by_context_ranks() -> None:
    options = {"on": "8xh200", "tp": 8, "kv_cache_memory": "20GiB", "max_model_len": 8192}
    whole = plan("deepseek-v3", **options)
    cut = plan("deepseek-v3", **options, dcp=8)
    assert cut.capacity.tokens == 8 * whole.capacity.tokens


@pytest.mark.parametrize(
    ("options", "name", "grows"),
    [
        ({"enable_lora": True, "max_loras": 4, "max_lora_rank": 64}, "adapters", True),
        ({"cpu_offload_gb": 4}, "weights", False),
        ({"enforce_eager": True}, "graphs", False),
        ({"enforce_eager": True}, "kv_cache", True),
        ({"max_num_seqs": 64}, "activations", False),
        ({"gpu_memory_utilization": 0.5}, "kv_cache", False),
        ({"kv_cache_dtype": "fp8"}, "activations", None),
    ],
    ids=str,
)
def test_an_option_moves_its_term(options: dict[str, Any], name: str, grows: bool | None) -> None:
    before = plan("llama-3.1-8b", max_model_len=8192).term(name)
    after = plan("llama-3.1-8b", max_model_len=8192, **options).term(name)
    assert after == before if grows is None else (after > before) == grows and after != before


def test_blocks_may_be_stated() -> None:
    found = plan("llama-3.1-8b", max_model_len=8192, num_gpu_blocks_override=1000)
    assert found.capacity.tokens == 16000
    assert found.term("kv_cache") == 1000 * 16 * 131072


def test_without_a_card_the_cache_is_what_the_work_needs() -> None:
    found = wb.plan("llama-3.1-8b", engine="vllm", max_model_len=8192, concurrency=3)
    assert found.term("kv_cache") == 3 * 8192 * 131072
    assert found.capacity.sequences is None
    assert found.log == ()


def test_a_draft_layer_and_drafted_tokens_take_their_part() -> None:
    options = {"max_model_len": 8192, "kv_cache_memory": "20GiB"}
    plain = plan("llama-3.1-8b", **options)
    eagle = plan("llama-3.1-8b", **options, speculative_method="eagle", num_speculative_tokens=3)
    assert plain.capacity.tokens // 16 * 32 // 33 == eagle.capacity.tokens // 16


def test_lengths_may_be_arrays() -> None:
    numpy = pytest.importorskip("numpy")
    model = load_model("gemma-3-27b-it")
    lengths = numpy.array([4096, 16384, 65536], dtype=numpy.int64)
    deployment = Deployment(max_model_len=65536, kv_cache_memory=20 * 2**30)
    cards = (find_card("h100-sxm"),)
    engine = parse_engine("vllm")
    together = spend(Question(model, engine, deployment, Tokens(lengths, 1), 1, cards))
    for place, length in enumerate(lengths.tolist()):
        alone = spend(Question(model, engine, deployment, Tokens(length, 1), 1, cards))
        assert together.capacity is not None
        assert alone.capacity is not None
        assert together.capacity.sequences[place] == alone.capacity.sequences
        assert together.cache.bytes_per_sequence[place] == alone.cache.bytes_per_sequence


@pytest.mark.parametrize(
    "name",
    ["whisper-large-v3", "flan-t5-base", "mamba-2.8b-hf", "bge-m3", "gemma-3n-e4b-it", "jamba-v0.1",
     "deepseek-v4-flash", "deepseek-v3.2", "lfm2-1.2b", "minimax-m2", "llava-1.5-7b-hf", "phi-2",
     "zamba2-2.7b", "recurrentgemma-2b", "rwkv7-1.5b-world", "xlstm-7b"],
)  # fmt: skip
@pytest.mark.parametrize("version", ["0.7.3", "0.11.0", "0.33.0"])
def test_every_kind_of_layer_is_planned(name: str, version: str) -> None:
    found = plan(name, engine=f"vllm=={version}", on="8xh200", max_model_len=448, tp=1)
    assert found.total > 0
    assert all(term.low <= term.bytes <= term.high for term in found.terms)


def test_what_is_offloaded_or_swapped_stands_in_host_memory() -> None:
    offloaded = plan("llama-3.1-8b", max_model_len=8192, cpu_offload_gb=4)
    assert offloaded.host is not None
    assert offloaded.host.total == 4 * 2**30
    swapped = plan("llama-3.1-8b", engine="vllm==0.7.3", max_model_len=8192)
    assert swapped.host is not None
    assert swapped.host.total == 2048 * 16 * 131072
    assert plan("llama-3.1-8b", max_model_len=8192).host is None
