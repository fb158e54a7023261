"""Logs that people published: every number found is the one that was written down from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from weighbridge.cli import main
from weighbridge.errors import LogError
from weighbridge.measure.compare import card_name, compare, options_of
from weighbridge.measure.logs import read_lines, read_log
from weighbridge.measure.observation import HOST, Observation
from weighbridge.units import GIB, MIB

LINES = Path(__file__).parent.parent / "truth" / "log_lines.jsonl"
ROWS = [json.loads(line) for line in LINES.read_text(encoding="utf-8").splitlines()]


def total(seen: Observation, name: str) -> int:
    return sum(t.bytes for t in seen.terms if t.name == name and t.device != HOST)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_a_published_line_is_read(row: dict[str, Any]) -> None:
    seen = read_lines(row["lines"])
    assert seen.engine == row["engine"]
    unit = MIB if row["engine"] == "llama.cpp" else GIB
    # Printed to a hundredth; what was written down sums the buffers of up to eight devices.
    slack = (0.06 if unit == MIB else 0.006 * max(len(seen.terms), 1)) * unit
    for name, printed in row["printed"].items():
        if name == "tokens":
            assert seen.tokens == printed
        else:
            assert abs(total(seen, name) - printed * unit) <= slack, name


def test_many_published_lines_are_held_against() -> None:
    assert len(ROWS) > 100
    assert {row["engine"] for row in ROWS} == {"vllm", "sglang", "tensorrt-llm", "llama.cpp"}


VLLM_17122 = """\
INFO 04-24 16:32:59 [loader.py:458] Loading weights took 2.95 seconds
INFO 04-24 16:33:00 [gpu_model_runner.py:1316] Model loading took 14.9889 GiB and 3.652170 seconds
INFO 04-24 16:33:12 [monitor.py:33] torch.compile takes 6.41 s in total
INFO 04-24 16:33:13 [kv_cache_utils.py:634] GPU KV cache size: 158,656 tokens
INFO 04-24 16:33:13 [kv_cache_utils.py:637] Maximum concurrency for 32,768 tokens per request: 4.84x
""".splitlines()
VLLM_10511 = """\
INFO 12-13 19:54:18 worker.py:243] total_gpu_memory     79.22GiB
INFO 12-13 19:54:18 worker.py:243] the current vLLM instance can use    71.29GiB
INFO 12-13 19:54:18 worker.py:243] model weights take   14.96GiB
INFO 12-13 19:54:18 worker.py:243] non_torch_memory     1.79GiB
INFO 12-13 19:54:18 worker.py:243] PyTorch activation peak memory       1.26GiB
INFO 12-13 19:54:18 worker.py:243] available_kv_cache_memory    53.29GiB
""".splitlines()
VLLM_NEWEST = """\
INFO [api_server.py:1] vLLM API server version 0.10.2
INFO [utils.py:1] non-default args: {'model_tag': 'Qwen/Qwen3-8B', 'max_model_len': 40960, \
'gpu_memory_utilization': 0.92, 'tensor_parallel_size': 2, 'api_key': ['geheim'], \
'speculative_config': {'method': 'mtp', 'num_speculative_tokens': 2}}
INFO [core.py:1] Initializing a V1 LLM engine (v0.10.2) with config: model='Qwen/Qwen3-8B', \
dtype=torch.bfloat16, max_seq_len=40960, tensor_parallel_size=2, enforce_eager=False, \
kv_cache_dtype=auto, quantization=None
(Worker_TP1 pid=448) INFO [gpu_model_runner.py:1] Model loading took 7.69 GiB memory and 3 seconds
(Worker_TP0 pid=447) INFO [gpu_model_runner.py:1] Model loading took 7.68 GiB memory and 3 seconds
(Worker_TP0 pid=447) INFO 08-14 14:07:22 [gpu_worker.py:563] Available KV cache memory: 6.87 GiB
INFO 05-26 21:34:14 [gpu_model_runner.py:6243] Graph capturing finished in 2 secs, took 0.11 GiB
""".splitlines()
LLAMA_8035 = """\
  Device 0: NVIDIA GeForce RTX 4060 Ti, compute capability 8.9, VMM: yes
  Device 1: NVIDIA GeForce RTX 3060, compute capability 8.6, VMM: yes
llm_load_tensors: offloaded 78/81 layers to GPU
llm_load_tensors:        CPU buffer size = 22994.45 MiB
llm_load_tensors:      CUDA0 buffer size = 12633.25 MiB
llm_load_tensors:      CUDA1 buffer size =  8652.00 MiB
llama_new_context_with_model: n_ctx      = 8192
llama_new_context_with_model: n_batch    = 2048
llama_new_context_with_model: n_ubatch   = 512
llama_new_context_with_model: flash_attn = 0
llama_kv_cache_init:  CUDA_Host KV buffer size =    64.00 MiB
llama_kv_cache_init:      CUDA0 KV buffer size =  1472.00 MiB
llama_kv_cache_init:      CUDA1 KV buffer size =  1024.00 MiB
llama_new_context_with_model: KV self size  = 2560.00 MiB, K (f16): 1280.00 MiB, \
V (f16): 1280.00 MiB
llama_new_context_with_model:  CUDA_Host  output buffer size =     0.98 MiB
llama_new_context_with_model:      CUDA0 compute buffer size =  1108.50 MiB
""".splitlines()
SGLANG_4760 = """\
[2025-03-25 10:00:00] server_args=ServerArgs(model_path='meta-llama/Llama-3.1-8B-Instruct', \
tp_size=1, mem_fraction_static=0.88, context_length=None, disable_cuda_graph=False, port=30000)
[2025-03-25 10:00:01 TP0] Load weight begin. avail mem=78.60 GB
[2025-03-25 10:00:02 TP0] Load weight end. type=LlamaForCausalLM, dtype=torch.bfloat16, \
avail mem=63.48 GB, mem usage=15.11 GB.
[2025-03-25 10:00:02 TP0] KV Cache is allocated. #tokens: 442750, K size: 27.02 GB, V size: 27.02 GB
[2025-03-25 10:00:02 TP0] Memory pool end. avail mem=8.01 GB
""".splitlines()


def held(seen: Observation) -> dict[tuple[str, int], int]:
    found: dict[tuple[str, int], int] = {}
    for term in seen.terms:
        found[term.name, term.device] = found.get((term.name, term.device), 0) + term.bytes
    return found


def test_vllm_of_2025() -> None:
    """vllm-project/vllm pull request 17122."""
    seen = read_lines(VLLM_17122)
    assert held(seen) == {("weights", 0): round(14.9889 * GIB)}
    assert (seen.tokens, seen.concurrency, seen.length) == (158_656, 4.84, 32_768)


def test_vllm_of_2024() -> None:
    """vllm-project/vllm pull request 10511."""
    assert held(read_lines(VLLM_10511)) == {
        ("weights", 0): round(14.96 * GIB),
        ("workspace", 0): round(1.79 * GIB),
        ("activations", 0): round(1.26 * GIB),
        ("kv_cache", 0): round(53.29 * GIB),
    }


def test_settings_and_ranks_of_vllm() -> None:
    seen = read_lines(VLLM_NEWEST)
    assert (seen.engine, seen.version, seen.model) == ("vllm", "0.10.2", "Qwen/Qwen3-8B")
    assert seen.settings == {
        "max_model_len": 40960, "gpu_memory_utilization": 0.92, "tensor_parallel_size": 2,
        "speculative_method": "mtp", "num_speculative_tokens": 2, "enforce_eager": False,
    }  # fmt: skip
    assert held(seen)[("weights", 1)] == round(7.69 * GIB)
    assert held(seen)[("weights", 0)] == round(7.68 * GIB)
    assert "geheim" not in str(seen.to_dict())
    assert options_of(seen, "2xh100-sxm")["engine"] == "vllm==0.10.2"


def test_bounds_are_half_a_unit_of_the_last_digit() -> None:
    (term,) = (t for t in read_lines(VLLM_10511).terms if t.name == "weights")
    assert term.basis == "measured"
    assert term.high - term.bytes == term.bytes - term.low
    assert abs((term.high - term.low) / GIB - 0.01) < 1e-6


def test_llama_cpp_by_device() -> None:
    """ggml-org/llama.cpp pull request 8035."""
    seen = read_lines(LLAMA_8035)
    assert seen.engine == "llama.cpp"
    assert seen.cards == ("NVIDIA GeForce RTX 4060 Ti", "NVIDIA GeForce RTX 3060")
    found = held(seen)
    assert found[("weights", 0)] == round(12633.25 * MIB)
    assert found[("weights", 1)] == 8652 * MIB
    assert found[("weights", HOST)] == round(22994.45 * MIB)
    assert found[("kv_cache", 0)] == 1472 * MIB
    assert found[("kv_cache", HOST)] == 64 * MIB
    assert found[("activations", 0)] == round(1108.5 * MIB)
    assert seen.settings == {
        "n_gpu_layers": "78", "ctx_size": 8192, "max_num_batched_tokens": 2048,
        "ubatch_size": 512, "flash_attn": "off", "cache_type_k": "f16", "cache_type_v": "f16",
    }  # fmt: skip


def test_two_caches_of_llama_cpp_add_up() -> None:
    seen = read_lines(
        ["llama_kv_cache_unified:      CUDA0 KV buffer size =    40.00 MiB",
         "llama_kv_cache_unified:      CUDA0 KV buffer size =   156.00 MiB",
         "llama_context:      CUDA0 compute buffer size =   100.00 MiB",
         "llama_context:      CUDA0 compute buffer size =   120.00 MiB"]
    )  # fmt: skip
    assert held(seen) == {("kv_cache", 0): 196 * MIB, ("activations", 0): 120 * MIB}


def test_sglang() -> None:
    """sgl-project/sglang issue 4760, with the arguments that its start prints."""
    seen = read_lines(SGLANG_4760)
    assert (seen.engine, seen.model) == ("sglang", "meta-llama/Llama-3.1-8B-Instruct")
    assert held(seen) == {
        ("weights", 0): round(15.11 * GIB),
        ("kv_cache", 0): round(54.04 * GIB),
    }
    assert seen.tokens == 442_750
    assert seen.settings == {"tensor_parallel_size": 1, "gpu_memory_utilization": 0.88}


OUT_OF_MEMORY = (
    ("1.0", "RuntimeError: CUDA out of memory. Tried to allocate 30.00 MiB (GPU 0; 10.92 GiB total "
     "capacity; 9.73 GiB already allocated; 24.50 MiB free; 21.35 MiB cached)",
     0, 30 * MIB, round(24.5 * MIB), round(10.92 * GIB)),
    ("1.13 vllm#783", "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.63 GiB "
     "(GPU 0; 44.56 GiB total capacity; 27.91 GiB already allocated; 565.31 MiB free; 27.93 GiB "
     "reserved in total by PyTorch) If reserved memory is >> allocated memory try setting",
     0, round(1.63 * GIB), round(565.31 * MIB), round(44.56 * GIB)),
    ("2.1 vllm#2140", "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 518.00 "
     "MiB. GPU 0 has a total capacty of 21.67 GiB of which 4.06 MiB is free. Process 2417585 has "
     "21.65 GiB memory in use. Of the allocated memory 21.32 GiB is allocated by PyTorch, and "
     "1018.00 KiB is reserved by PyTorch but unallocated.",
     0, 518 * MIB, round(4.06 * MIB), round(21.67 * GIB)),
    ("2.5 vllm#17835", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 270.00 MiB. "
     "GPU 1 has a total capacity of 21.98 GiB of which 156.94 MiB is free. Including non-PyTorch "
     "memory, this process has 21.80 GiB memory in use. Of the allocated memory 21.42 GiB is "
     "allocated by PyTorch, and 24.12 MiB is reserved by PyTorch but unallocated.",
     1, 270 * MIB, round(156.94 * MIB), round(21.98 * GIB)),
    ("hip", "torch.OutOfMemoryError: HIP out of memory. Tried to allocate 2.00 GiB. GPU 0 has a "
     "total capacity of 191.98 GiB of which 448.00 KiB is free.",
     0, 2 * GIB, 448 * 1024, round(191.98 * GIB)),
)  # fmt: skip


@pytest.mark.parametrize(
    ("line", "device", "asked", "free", "card"), [row[1:] for row in OUT_OF_MEMORY],
    ids=[row[0] for row in OUT_OF_MEMORY],
)  # fmt: skip
def test_torch_out_of_memory(line: str, device: int, asked: int, free: int, card: int) -> None:
    (failure,) = read_lines([line]).failures
    assert (failure.device, failure.asked, failure.free, failure.total) == (
        device, asked, free, card)  # fmt: skip
    assert failure.missing == asked - free
    assert failure.advice


def test_reserved_and_unused_memory_is_pointed_at() -> None:
    line = (
        "CUDA out of memory. Tried to allocate 448.00 MiB. GPU 3 has a total capacty of 15.77 GiB "
        "of which 289.38 MiB is free. Including non-PyTorch memory, this process has 15.49 GiB "
        "memory in use. Of the allocated memory 14.66 GiB is allocated by PyTorch, and 483.75 MiB "
        "is reserved by PyTorch but unallocated."
    )
    (failure,) = read_lines([line]).failures
    assert "expandable_segments" in failure.advice[0]


STARTS = (
    ("needed", "ValueError: To serve at least one request with the model's max seq len (196608), "
     "(23.25 GiB KV cache is needed, which is larger than the available KV cache memory (20.10 "
     "GiB). Based on the available memory, the estimated maximum model length is 169984. Try",
     "--max-model-len 169984"),
    ("stored", "ValueError: The model's max seq len (131072) is larger than the maximum number of "
     "tokens that can be stored in KV cache (30960). Try increasing",
     "--max-model-len 30960"),
    ("desired", "ValueError: Free memory on device (5.18/23.56 GiB) on startup is less than "
     "desired GPU memory utilization (0.9, 21.2 GiB). Decrease",
     "--gpu-memory-utilization 0.21"),
    ("sglang", "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static.",
     "--mem-fraction-static"),
    ("llama ik#749", "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 279356.51 MiB on "
     "device 0: cudaMalloc failed: out of memory", "absurd"),
    ("llama sized", "ggml_gallocr_reserve_n: failed to allocate CUDA1 buffer of size 9332334592",
     "-ngl"),
    ("llama load", "llama_model_load: error loading model: unable to allocate CUDA0 buffer",
     "-ngl"),
)  # fmt: skip


@pytest.mark.parametrize(("line", "said"), [row[1:] for row in STARTS],
                         ids=[row[0] for row in STARTS])  # fmt: skip
def test_a_failed_start_says_what_to_change(line: str, said: str) -> None:
    (failure,) = read_lines([line]).failures
    assert any(said in each for each in failure.advice), failure


def test_a_larger_share_is_worked_out() -> None:
    seen = read_lines(
        ["total_gpu_memory (79.22GiB) x gpu_memory_utilization (0.90) = 71.29GiB",
         "Available KV cache memory: -2.14 GiB",
         "ValueError: No available memory for the cache blocks. Try increasing"]
    )  # fmt: skip
    (failure,) = seen.failures
    assert failure.advice == (
        "--gpu-memory-utilization 0.93 (from 0.9), which gives 2.14 GiB more",
    )


def test_the_next_buffer_of_llama_cpp_tells_what_failed() -> None:
    lines = [*LLAMA_8035[:12],
             "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 8900.01 MiB on device 0: "
             "cudaMalloc failed: out of memory",
             "ggml_gallocr_reserve_n: failed to allocate CUDA0 buffer of size 9332334592",
    ]  # fmt: skip
    (failure,) = read_lines(lines).failures
    assert "for compute" in failure.what
    assert any(each.startswith("-ub 256") for each in failure.advice)


TRANSFORMERS = OUT_OF_MEMORY[3][1]


def test_what_cannot_be_compared_says_why() -> None:
    assert "name it with --model" in compare(read_lines([TRANSFORMERS])).why
    seen = read_lines(VLLM_17122)._replace(engine="unheard-of")
    assert "unheard-of" in compare(seen, model="gpt2").why


def test_a_prediction_stands_beside_what_was_observed() -> None:
    """Weights of a bf16 checkpoint are the same bytes in every engine."""
    seen = read_lines(VLLM_17122)._replace(engine="transformers", version="", settings={})
    beside = compare(seen, on="l40s", model="meta-llama/Llama-3.1-8B-Instruct")
    (row,) = beside.rows
    assert (row.name, row.device) == ("weights", 0)
    assert abs(row.difference) < 0.005
    assert beside.plan is not None


def test_cards_as_drivers_print_them_are_found() -> None:
    from weighbridge.hardware import find_card

    for printed in ("NVIDIA GeForce RTX 4090", "NVIDIA H100 80GB HBM3", "NVIDIA A40"):
        assert find_card(card_name(printed)) is not None, printed


@pytest.mark.parametrize("text", ["", "hello\nworld\n", "{}", "\x00\x01" * 50])
def test_what_is_no_log_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "x.log"
    file.write_text(text)
    with pytest.raises(LogError, match="says nothing of memory"):
        read_log(str(file))


def test_an_endless_line_is_cut(tmp_path: Path) -> None:
    file = tmp_path / "x.log"
    file.write_bytes(b"a" * 3_000_000 + b"\n" + VLLM_17122[1].encode() + b"\n\xff\xfe\n")
    assert len(read_log(str(file)).terms) == 1


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, store = tmp_path / "vllm.log", tmp_path / "store.jsonl"
    file.write_text("\n".join([*VLLM_NEWEST, TRANSFORMERS]))
    assert main(["log", str(file), "--on", "2xh100-sxm", "--append", str(store)]) == 0
    out, err = capsys.readouterr()
    assert "7.69 GiB" in out
    assert "✗ torch could not allocate" in out
    assert err == ""
    assert main(["log", str(file), "--json", "--append", str(store)]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["schema"] == 1
    assert made["observed"]["settings"]["tensor_parallel_size"] == 2
    assert {"name", "bytes", "low", "high", "basis", "device"} <= set(made["observed"]["terms"][0])
    rows = [json.loads(line) for line in store.read_text().splitlines()]
    assert len(rows) == 2
    assert {"schema", "kind", "engine", "version", "model", "settings", "terms"} <= set(rows[0])
    assert rows[0]["terms"] == rows[1]["terms"]


def test_a_store_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "vllm.log"
    file.write_text("\n".join(VLLM_17122))
    assert main(["log", str(file), "--append", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["log", str(tmp_path / "none")]) == 2
