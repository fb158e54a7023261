"""Flags as each engine reads them: aliases, forms, files, environment, refusals."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from weighbridge.errors import InputError, LaunchError
from weighbridge.launch import ENGINES, engine_module, read_command, seen_machine
from weighbridge.launch.reading import Launch
from weighbridge.options import engine_options
from weighbridge.options.common import WORKLOAD

SERVE = "vllm serve Qwen/Qwen3-8B "
SGLANG = "sglang serve --model-path Qwen/Qwen3-8B "
LLAMA = "llama-server -m Qwen3-8B-Q4_K_M.gguf "
TRTLLM = "trtllm-serve Qwen/Qwen3-8B "


def read(command: str, **environment: str) -> Launch:
    return read_command(shlex.split(command), environment)


OPTIONS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("equals", SERVE + "--max-model-len=4096", {"max_model_len": 4096}),
    ("short", SERVE + "-tp 2 -dp=3", {"tensor_parallel_size": 2, "data_parallel_size": 3}),
    ("thousands", SERVE + "--max-model-len 1k", {"max_model_len": 1000}),
    ("binary", SERVE + "--max-model-len 40K", {"max_model_len": 40960}),
    ("decimals", SERVE + "--max-num-batched-tokens 25.6k", {"max_num_batched_tokens": 25600}),
    ("underscores", SERVE + "--max_model_len 4096", {"max_model_len": 4096}),
    ("abbreviated", SERVE + "--tensor-par 4", {"tensor_parallel_size": 4}),
    ("renamed", SERVE + "--device-memory-utilization 0.8", {"gpu_memory_utilization": 0.8}),
    ("negated", SERVE + "--no-enable-prefix-caching", {"enable_prefix_caching": False}),
    ("partner", SERVE + "--disable-chunked-prefill", {"enable_chunked_prefill": False}),
    ("bytes", SERVE + "--kv-cache-memory-bytes 2G", {"kv_cache_memory": 2**31}),
    ("last-wins", SERVE + "-tp 2 -tp 4", {"tensor_parallel_size": 4}),
    ("half", SERVE + "--dtype half", {"weights": "fp16"}),
    ("auto", SERVE + "--dtype auto --kv-cache-dtype auto", {}),
    ("O3", SERVE + "-O3", {}),
    ("O0", SERVE + "-O0", {"enforce_eager": True}),
    ("O-space", SERVE + "-O 2", {}),
    ("dotted", SERVE + "--compilation-config.cudagraph_mode=NONE", {"enforce_eager": True}),
    ("dotted-short", SERVE + "-cc.max_cudagraph_capture_size 64",
     {"max_cudagraph_capture_size": 64}),
    ("dotted-list", SERVE + "--compilation-config.cudagraph_capture_sizes+ 1 "
     "--compilation-config.max_cudagraph_capture_size 8", {"max_cudagraph_capture_size": 8}),
    ("sizes", SERVE + "--cudagraph-capture-sizes 1 2 16", {"max_cudagraph_capture_size": 16}),
    ("speculative", SERVE + """-sc '{"method":"mtp","num_speculative_tokens":1}'""",
     {"speculative_method": "mtp", "num_speculative_tokens": 1}),
    ("speculative-dotted", SERVE + "-sc.method ngram -sc.num_speculative_tokens 4",
     {"speculative_method": "ngram", "num_speculative_tokens": 4}),
    ("limits-old", SERVE + "--limit-mm-per-prompt image=2,video=0",
     {"limit_mm_per_prompt": '{"image": 2, "video": 0}'}),
    ("module", "python3 -m vllm.entrypoints.openai.api_server --model Qwen/Qwen3-8B -pp 2",
     {"pipeline_parallel_size": 2}),
    ("bench", "vllm bench latency --model Qwen/Qwen3-8B --input-len 32 --output-len 128 "
     "--batch-size 8", {"input_tokens": 32, "output_tokens": 128, "concurrency": 8}),
    ("old-swap", SERVE + "--swap-space 8", {"swap_space": 8.0}),
    ("sglang-prefix", SGLANG + "--tp 2", {"tensor_parallel_size": 2}),
    ("sglang-human", SGLANG + "--context-length 32K", {"max_model_len": 32768}),
    ("sglang-experts", SGLANG + "--tp 2 --ep-size 2",
     {"tensor_parallel_size": 2, "enable_expert_parallel": True}),
    ("sglang-one-expert-rank", SGLANG + "--ep 1", {}),
    ("sglang-no-chunks", SGLANG + "--chunked-prefill-size -1", {}),
    ("sglang-old-graphs", SGLANG + "--cuda-graph-bs 1 2 160", {"cuda_graph_max_bs": 160}),
    ("trtllm-fraction", TRTLLM + "--kv_cache_free_gpu_memory_fraction 0.5",
     {"gpu_memory_utilization": 0.5}),
    ("trtllm-verb", "trtllm-serve serve Qwen/Qwen3-8B --ep_size 4",
     {"moe_expert_parallel_size": 4}),
    ("llama-flash-alone", LLAMA + "-fa -c 4096", {"flash_attn": "on", "ctx_size": 4096}),
    ("llama-flash-value", LLAMA + "-fa auto", {"flash_attn": "auto"}),
    ("llama-own-context", LLAMA + "-c 0", {}),
    ("llama-own-slots", LLAMA + "-np -1", {}),
    ("llama-overrides", LLAMA + "-ot a=CPU -ot b=CUDA0", {"override_tensor": "a=CPU,b=CUDA0"}),
    ("llama-no-unified", LLAMA + "-no-kvu", {"kv_unified": False}),
    ("llama-host-cache", LLAMA + "-nkvo --no-mmap", {"no_kv_offload": True, "no_mmap": True}),
    ("llama-fit", LLAMA + "--fit off", {"fit": "off"}),
    ("llama-shard", "llama-server -m /m/Qwen3-8B-Q8_0-00001-of-00002.gguf", {}),
    ("bench-depth", "llama-bench -m Qwen3-8B-Q4_K_M.gguf -p 512,2048 -n 0 -d 4096 -fa 1",
     {"ctx_size": 6144, "flash_attn": "on"}),
    ("bench-defaults", "llama-bench -m Qwen3-8B-Q4_K_M.gguf", {"ctx_size": 512}),
    ("bench-pair", "llama-bench -m Qwen3-8B-Q4_K_M.gguf -pg 1024,256 -ngl 20",
     {"ctx_size": 1280, "n_gpu_layers": "20"}),
    ("ollama-tag", "ollama run qwen3:8b-q8_0", {"weights": "q8_0"}),
    ("ollama-default", "ollama run qwen3:8b", {"weights": "q4_k_m"}),
    ("ollama-native", "ollama run gpt-oss:20b", {}),
)  # fmt: skip
IMPLIED = {"tensor_parallel_size", "program", "weights"}


@pytest.mark.parametrize(("command", "wanted"), [row[1:] for row in OPTIONS],
                         ids=[row[0] for row in OPTIONS])  # fmt: skip
def test_a_command_sets_these_options(command: str, wanted: dict[str, Any]) -> None:
    found = read(command).options
    assert {**{k: v for k, v in found.items() if k not in IMPLIED}, **{
        k: found.get(k) for k in wanted if k in IMPLIED}} == wanted  # fmt: skip


REFUSALS = (
    ("misspelt", SERVE + "--gpu-memory-utilisation 0.9", "nearest is --gpu-memory-utilization"),
    ("llama-misspelt", LLAMA + "--ctx-sise 5", "nearest is --ctx-size"),
    ("sglang-misspelt", SGLANG + "--mem-fracton-static 0.8", "nearest is --mem-fraction-static"),
    ("trtllm-dashes", TRTLLM + "--tp-size 2", "nearest is --tp_size"),
    ("ambiguous", SERVE + "--max-num 5", "could be"),
    ("no-value", SERVE + "--max-model-len", "needs a value"),
    ("no-list", SERVE + "--cudagraph-capture-sizes --port 1", "at least one value"),
    ("value-for-flag", SERVE + "--enforce-eager=1", "takes no value"),
    ("not-human", SERVE + "--max-num-seqs 1k", "takes a whole number"),
    ("binary-decimals", SERVE + "--max-model-len 1.5K", "takes a whole number such as"),
    ("not-number", SERVE + "--gpu-memory-utilization lots", "takes a number"),
    ("nan", SERVE + "--gpu-memory-utilization nan", "takes a number"),
    ("dtype", SERVE + "--dtype int3", "--dtype is one of"),
    ("json", SERVE + "--speculative-config {", "takes JSON"),
    ("level", SERVE + "-O9", "0, 1, 2 or 3"),
    ("two-models", SERVE + "Qwen/Qwen3-4B", "is a second"),
    ("client", "vllm bench serve --model x", "loads no model"),
    ("chat", "vllm chat", "loads no model"),
    ("other-module", "python -m vllm.foo", "is no server of vLLM"),
    ("sglang-word", SGLANG + "extra", "without a flag"),
    ("llama-word", LLAMA + "extra", "without a flag"),
    ("other-tool", "llama-quantize a b", "is not read"),
    ("bench-many", "llama-bench -m Qwen3-8B-Q4_K_M.gguf -ngl 10,20", "one of them at a time"),
    ("flash", LLAMA + "--flash-attn=maybe", "on, off or auto"),
    ("no-file", "llama-server -m model.gguf", "no model of the catalogue"),
    ("no-format", "llama-server -m Qwen3-8B.gguf", "does not say how its weights are stored"),
    ("no-folder", "vllm serve /models/unheard-of", "not on this machine"),
    ("list-verb", "ollama list", "loads no model"),
    ("ollama-no-model", "ollama run", "names no model"),
    ("ollama-unknown", "ollama run unheard-of:7b", "no model of the catalogue"),
    ("docker-ps", "docker ps", "docker run"),
    ("docker-no-image", "docker run --rm", "names no image"),
    ("nothing", "", "no command follows"),
    ("script", "python train.py", "starts no engine"),
    ("quotes", "'vllm serve \"x'", "cannot be split"),
    ("devices", "CUDA_VISIBLE_DEVICES=,1 " + SERVE, "names no device"),
)


@pytest.mark.parametrize(("command", "said"), [row[1:] for row in REFUSALS],
                         ids=[row[0] for row in REFUSALS])  # fmt: skip
def test_a_bad_command_is_refused_in_one_sentence(command: str, said: str) -> None:
    with pytest.raises(LaunchError) as raised:
        read(command)
    message = str(raised.value)
    assert said in message
    assert "\n" not in message
    assert not message.endswith(".")


def test_what_has_no_effect_is_listed_without_its_value() -> None:
    launch = read(SERVE + "--host 0.0.0.0 --api-key geheim --hf-overrides '{}' --port 1")
    assert launch.idle == ("--host", "--api-key", "--port")
    assert launch.unmodelled == ("--hf-overrides {}",)
    assert "geheim" not in str(launch)


def test_secrets_of_a_container_are_not_shown() -> None:
    launch = read("docker run -e HF_TOKEN=geheim --env=A=b vllm/vllm-openai Qwen/Qwen3-8B")
    assert "geheim" not in str(launch)
    assert launch.model == "Qwen/Qwen3-8B"


WRAPPED = (
    "env A=1 B=2 " + SERVE,
    "sudo -u me " + SERVE,
    "nohup " + SERVE,
    "numactl -N 0 -m 0 " + SERVE,
    "uv run --with vllm " + SERVE,
    "bash -lc '" + SERVE + "'",
    "docker run vllm/vllm-openai:v0.11.0 --model Qwen/Qwen3-8B",
    "docker run -it --rm -p8000:8000 --gpus '\"device=0,1\"' vllm/vllm-openai Qwen/Qwen3-8B",
    "docker run --entrypoint vllm local/vllm serve Qwen/Qwen3-8B",
    "/opt/venv/bin/vllm serve Qwen/Qwen3-8B",
)


@pytest.mark.parametrize("command", WRAPPED)
def test_what_stands_around_a_command_does_not_matter(command: str) -> None:
    launch = read(command)
    assert launch.model == "Qwen/Qwen3-8B"
    assert launch.options == {"tensor_parallel_size": 1}


def test_an_image_tells_the_version() -> None:
    assert (
        read("docker run vllm/vllm-openai:v0.11.0 --model Qwen/Qwen3-8B").engine == "vllm==0.11.0"
    )
    assert read("docker run vllm/vllm-openai:latest --model Qwen/Qwen3-8B").engine == "vllm"
    command = "docker run lmsysorg/sglang:v0.5.3-cu129 python3 -m sglang.launch_server "
    assert read(command + "--model-path Qwen/Qwen3-8B").engine == "sglang==0.5.3"


def test_a_command_that_lost_its_quotes_is_put_together_again() -> None:
    words = (SERVE + """--speculative-config '{"method": "mtp"}'""").split()
    assert read_command(words).options["speculative_method"] == "mtp"
    assert read_command(["vllm", "serve", "\\", "Qwen/Qwen3-8B", "\\"]).model == "Qwen/Qwen3-8B"


@pytest.mark.parametrize(
    ("prefix", "devices"),
    [
        ("CUDA_VISIBLE_DEVICES=0,1 ", (0, 1)),
        ("CUDA_VISIBLE_DEVICES=3 ", (3,)),
        ("CUDA_VISIBLE_DEVICES=GPU-1a,GPU-2b ", (0, 1)),
        ("CUDA_VISIBLE_DEVICES= ", None),
        ("", None),
    ],
)
def test_visible_devices(prefix: str, devices: tuple[int, ...] | None) -> None:
    assert read(prefix + SERVE).devices == devices


def test_the_machine_is_what_the_command_sees_of_it() -> None:
    assert seen_machine("4xH100", (0, 1))[0] == "2xh100-sxm"
    assert seen_machine("H100,A100", (1,))[0] == "a100-sxm-80gb"
    assert seen_machine("2xH100", (4, 5))[0] == "2xH100"
    assert seen_machine("2xH100", None) == ("2xH100", "")
    with pytest.raises(LaunchError, match="names device 7"):
        seen_machine("2xH100", (7,))


def test_the_environment_is_read_by_the_engine_that_has_it() -> None:
    assert read(LLAMA, LLAMA_ARG_CTX_SIZE="2048").options["ctx_size"] == 2048
    assert "ctx_size" not in read(SERVE, LLAMA_ARG_CTX_SIZE="2048").options
    assert read(LLAMA + "-c 512", LLAMA_ARG_CTX_SIZE="2048").options["ctx_size"] == 512
    serve = read("ollama serve", OLLAMA_KV_CACHE_TYPE="q8_0", OLLAMA_NUM_PARALLEL="4")
    assert serve.options == {"kv_cache_dtype": "q8_0", "max_num_seqs": 4}
    assert read(SERVE, VLLM_ATTENTION_BACKEND="X").unmodelled == ("VLLM_ATTENTION_BACKEND=X",)


def test_a_configuration_of_vllm_loses_against_the_command(tmp_path: Path) -> None:
    file = tmp_path / "serve.yaml"
    file.write_text(
        "model: Qwen/Qwen3-8B  # the model\ntensor-parallel-size: 4\nmax_model_len: 8192\n"
        "enforce-eager: true\nasync-scheduling: false\ncudagraph-capture-sizes: [1, 2, 8]\n"
        "speculative-config:\n  method: mtp\n  num_speculative_tokens: 2\n"
    )
    launch = read(f"vllm serve --config {file} -tp 2")
    assert launch.model == "Qwen/Qwen3-8B"
    assert launch.options == {
        "tensor_parallel_size": 2, "max_model_len": 8192, "enforce_eager": True,
        "async_scheduling": False, "max_cudagraph_capture_size": 8,
        "speculative_method": "mtp", "num_speculative_tokens": 2,
    }  # fmt: skip


def test_a_configuration_of_sglang(tmp_path: Path) -> None:
    """docs.sglang.io, Server Arguments: its own example."""
    file = tmp_path / "config.yaml"
    file.write_text(
        "model-path: meta-llama/Meta-Llama-3-8B-Instruct\nhost: 0.0.0.0\nport: 30000\n"
        "tensor-parallel-size: 2\nenable-metrics: true\nlog-requests: true\n"
    )
    launch = read(f"python -m sglang.launch_server --config {file}")
    assert launch.model == "meta-llama/Meta-Llama-3-8B-Instruct"
    assert launch.options == {"tensor_parallel_size": 2}


def test_a_configuration_of_tensorrt_llm_wins_over_the_command(tmp_path: Path) -> None:
    file = tmp_path / "options.yml"
    file.write_text(
        "kv_cache_config:\n  free_gpu_memory_fraction: 0.8\n  dtype: fp8\n  surprise: 1\n"
        "enable_attention_dp: true\nprint_iter_log: true\n"
        "cuda_graph_config:\n  max_batch_size: 512\n"
    )
    launch = read(TRTLLM + f"--free_gpu_memory_fraction 0.9 --extra_llm_api_options {file}")
    assert launch.options == {
        "gpu_memory_utilization": 0.8, "kv_cache_dtype": "fp8", "enable_attention_dp": True,
        "cuda_graph_max_batch_size": 512, "tensor_parallel_size": 1,
    }  # fmt: skip
    assert launch.unmodelled == (f"kv_cache_config.surprise in {file}",)


def test_a_modelfile(tmp_path: Path) -> None:
    file = tmp_path / "Modelfile"
    file.write_text(
        "# mine\nFROM llama3.1:8b\nPARAMETER num_ctx 4096\nparameter temperature 1\n"
        'TEMPLATE """\nFROM nothing\n"""\nSYSTEM You are Mario.\nPARAMETER num_gpu -1\n'
    )
    launch = read(f"ollama create mario -f {file}")
    assert launch.model == "meta-llama/Llama-3.1-8B"
    assert launch.options == {"max_model_len": 4096, "weights": "q4_k_m"}
    file.write_text("FROM llama3.1:8b\nPARAMETER num_cxt 4096\n")
    with pytest.raises(LaunchError, match="nearest is num_ctx"):
        read(f"ollama create mario -f {file}")


@pytest.mark.parametrize("engine", ENGINES)
def test_every_flag_sets_an_option_that_the_engine_has(engine: str) -> None:
    module = engine_module(engine)
    known = engine_options(engine)
    options = known.takes | set(known.own) | {row.name for row in WORKLOAD}
    rows = {flag for flag, _ in module.flags().by_name.values()}
    rows |= set(module.flags().variables.values())
    special = set(module.SPECIAL) | {"modelfile"}
    for flag in rows:
        if flag.meaning.startswith("@"):
            assert flag.meaning[1:] in special, flag
        else:
            assert flag.meaning in options | {"-", "?", "model", "revision"}, flag


def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path) -> None:
    big = tmp_path / "big.yaml"
    big.write_text("a: 1\n" * 100_000)
    with pytest.raises(InputError, match="more than a configuration"):
        read(f"vllm serve --config {big}")
    with pytest.raises(InputError, match="does not exist"):
        read(f"vllm serve --config {tmp_path / 'none.yaml'}")
